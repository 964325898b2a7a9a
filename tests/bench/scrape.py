#!/usr/bin/env python3
"""What it costs to be seen, and to see: the real daemon with a private PostgreSQL.

scrape    milliseconds of GET /metrics for the client and of the daemon's processor, as text and as OpenMetrics, with
          1, 20 and 100 services; the two forms alternate, on one kept connection
database  statements a second of a daemon at rest, by what they are for (each purpose has a session of its own), and
          the server's milliseconds; counted from the server's log

Each figure is printed with the number of runs behind it.
"""

import sys

sys.path.pop(0)  # the folder of this file, which would stand in for the library's http

import argparse  # noqa: E402
import collections
import http.client
import pathlib
import re
import statistics
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "bench" / "http"), str(ROOT / "tests" / "demo")]

from ground import Ground  # noqa: E402
from stage import Failure, Stage  # noqa: E402

FORMS = {"text": "text/plain", "OpenMetrics": "application/openmetrics-text; version=1.0.0"}
BATCH = 25  # scrapes in a row of one form, for which the daemon's processor is read once
# Every statement of every session, with its time. Parse and bind of prepared statements have lines of their own.
LOG_SETTINGS = """
log_line_prefix = '%a|'
log_min_duration_statement = 0
log_checkpoints = off
"""
LINE = re.compile(r"rollbackd ([a-z ]+)\|LOG:  duration: ([\d.]+) ms  (parse|bind|execute|statement)[^:]*: *(.*)")
AROUND = re.compile(r"(begin|start transaction|commit|rollback|end)\b", re.IGNORECASE)


def quantile(values, share):
    """Of at least one value."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# --- scrape -------------------------------------------------------------------------------------------


def have_services(ground, wanted):
    """As many services as that, each with one deployment."""
    known = int(ground.session.run("select count(distinct environment) from ops.deployments"))
    ground.session.run(f"""
        insert into ops.deployments (environment, version, git_commit, git_branch, status)
        select 's' || n, 'v1', 'c1', 'main', 'success' from generate_series({known + 1}, {wanted}) n""")
    ground.wait_for(f"{wanted} services in memory",
                    lambda: f"\nrollbackd_services {wanted}\n" in ground.ask("GET", "/metrics")[1])


def scrape(connection, accept):
    """Milliseconds and body."""
    begun = time.perf_counter()
    connection.request("GET", "/metrics", headers={"Accept": accept})
    response = connection.getresponse()
    body = response.read()
    taken = (time.perf_counter() - begun) * 1e3
    if response.status != 200:
        raise Failure(f"/metrics says {response.status}: {body[:200]}")
    return taken, body


def time_scrapes(ground, services, rounds):
    have_services(ground, services)
    connection = http.client.HTTPConnection("127.0.0.1", ground.port, timeout=10)
    taken = {form: [] for form in FORMS}
    processor = {form: [] for form in FORMS}
    bodies = {}
    for _ in range(rounds):
        for form, accept in FORMS.items():
            before = ground.processor_nanoseconds()
            for _ in range(BATCH):
                milliseconds, bodies[form] = scrape(connection, accept)
                taken[form].append(milliseconds)
            processor[form].append((ground.processor_nanoseconds() - before) / BATCH / 1e6)
    connection.close()
    for form in FORMS:
        series = sum(1 for line in bodies[form].splitlines() if not line.startswith(b"#"))
        print(f"{services:>4} services, {form:<11} median {statistics.median(taken[form]):.2f} ms, least"
              f" {min(taken[form]):.2f} ms, 99th percentile {quantile(taken[form], 0.99):.2f} ms; processor of the daemon"
              f" {statistics.median(processor[form]):.2f} ms; {series} series, {len(bodies[form]) / 1000:.0f} kB"
              f" ({len(taken[form])} scrapes)")


# --- database -----------------------------------------------------------------------------------------


def count_statements(ground, seconds):
    """Nothing happens meanwhile but the daemon's own clockwork."""
    services = int(ground.session.run("select count(distinct environment) from ops.deployments"))
    ground.wait_for("the snapshots of the deployments to be taken", lambda: ground.session.run(
        "select count(*) from pg_stat_activity where application_name = 'rollbackd snapshots'"
        " and (state <> 'idle' or state_change > clock_timestamp() - interval '2 s')").strip() == "0", 120)
    log = ground.postgres.process.log
    cpu = ground.processor_nanoseconds()
    begun = log.stat().st_size
    since = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - since
    cpu = (ground.processor_nanoseconds() - cpu) / 1e9 / passed
    with open(log, "rb") as file:
        file.seek(begun)
        lines = file.read().decode(errors="replace").splitlines()
    statements, around, server_ms = collections.Counter(), collections.Counter(), collections.Counter()
    for purpose, milliseconds, step, text in (found.groups() for line in lines if (found := LINE.match(line))):
        server_ms[purpose] += float(milliseconds)
        if step in ("execute", "statement"):
            (around if AROUND.match(text) else statements)[purpose] += 1
    if not statements:
        raise Failure(f"the server's log has no statement of the daemon:\n{lines[:5]}")
    print(f"{'purpose':<12} {'queries/s':>9} {'begin, commit/s':>16} {'server ms/s':>12}")
    for purpose in sorted(server_ms, key=lambda name: -statements[name]):
        print(f"{purpose:<12} {statements[purpose] / passed:>9.2f} {around[purpose] / passed:>16.2f}"
              f" {server_ms[purpose] / passed:>12.2f}")
    print(f"{'all':<12} {statements.total() / passed:>9.2f} {around.total() / passed:>16.2f}"
          f" {server_ms.total() / passed:>12.2f}   ({passed:.0f} s at rest with {services} services; the daemon used"
          f" {100 * cpu:.1f} % of a core)")


# --- all ----------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", help="scrape, database (default: both)")
    parser.add_argument("--services", type=int, nargs="+", default=[1, 20, 100], help="numbers of services (1 20 100)")
    parser.add_argument("--rounds", type=int, default=12, help=f"of {BATCH} scrapes of each form (12)")
    parser.add_argument("--seconds", type=int, default=62, help="to count statements (62: what comes once a minute)")
    arguments = parser.parse_args()
    wanted = arguments.part or ["scrape", "database"]
    if unknown := set(wanted) - {"scrape", "database"}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    stage = Stage()
    try:
        ground = Ground(stage, ROOT / "build" / "release", LOG_SETTINGS)
        if "scrape" in wanted:
            for services in sorted(arguments.services):
                time_scrapes(ground, services, arguments.rounds)
        if "database" in wanted:
            count_statements(ground, arguments.seconds)
    except Failure as failure:
        sys.exit(f"bench scrape: {failure}")
    finally:
        stage.close()


if __name__ == "__main__":
    main()
