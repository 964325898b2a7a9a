"""A small shop that takes simulated orders with whichever release is deployed, and logs what fails.

    shop.py FOLDER PSQL...   PSQL is the command whose standard input takes the SQL

In FOLDER:  deployed   the version and commit to run; deploy.sh writes it
            running    the same, written by the shop once it runs that release
            orders     one line per order: seconds since 1970, version, served or failed
"""

import itertools
import json
import os
import pathlib
import runpy
import subprocess
import sys
import time

RELEASES = pathlib.Path(__file__).resolve().parent / "releases"
SECONDS_PER_ORDER = 0.15


class ErrorLog:
    """Rows of ops.system_logs, each committed by itself as it happens, over one connection."""

    def __init__(self, psql):
        self.psql = subprocess.Popen(psql, stdin=subprocess.PIPE, text=True)

    def add(self, message, metadata):
        values = ", ".join("'" + text.replace("'", "''") + "'" for text in (message, json.dumps(metadata)))
        self.psql.stdin.write(
            "insert into ops.system_logs (severity, source, environment, service, message, metadata)"
            f" values ('error', 'checkout', 'production', 'shop', {values});\n"
        )
        self.psql.stdin.flush()


def customers():
    """Orders without end; three customers of eight have no loyalty card."""
    for number in itertools.count(1):
        card = None if number % 8 in (2, 5, 7) else {"discount": 0.05}
        yield number, {"price": 10 + number % 7, "pieces": 1 + number % 3, "card": card}


def replace(path, text):
    """Nobody ever reads half of it."""
    path.with_suffix(".new").write_text(text)
    os.replace(path.with_suffix(".new"), path)


def main():
    folder = pathlib.Path(sys.argv[1])
    errors = ErrorLog(sys.argv[2:])
    while not (folder / "deployed").exists():
        time.sleep(0.05)
    running = total = None
    with open(folder / "orders", "a", buffering=1) as orders:
        for number, order in customers():
            deployed = (folder / "deployed").read_text()
            version = deployed.split()[0]
            if deployed != running:
                total = runpy.run_path(str(RELEASES / f"{version}.py"))["total"]
                running = deployed
                replace(folder / "running", running)
            try:
                total(order)
                outcome = "served"
            except Exception as error:
                outcome = "failed"
                errors.add(f"order {number}: {type(error).__name__}: {error}", {"version": version})
            orders.write(f"{time.time():.6f} {version} {outcome}\n")
            time.sleep(SECONDS_PER_ORDER)


if __name__ == "__main__":
    main()
