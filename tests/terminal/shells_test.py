#!/usr/bin/env python3
"""Tries the completions in the real shells, against a small stand-in for the daemon.

Exit status 77, and words, when no shell but bash is installed.
"""

import http.server
import json
import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import program_help

FOLDER = program_help.ROOT / "config/completions"
ID = "92b75f0c-0000-4000-8000-000000000001"
HOSTILE = "v3$(>$MARK)"  # who may record a deployment chooses its version
EVENT = "d9a64251-0000-4000-8000-000000000002"
ROWS = {
    "/auto-rollback/deployments": {"deployments": [
        {"deployment_id": ID, "version": "v2.5.3", "environment": "production", "service": "app", "status": "success"},
        {"deployment_id": "", "version": HOSTILE, "environment": "production", "service": "app", "status": "success"}]},
    "/auto-rollback/history": {"rollbacks": [
        {"event_id": EVENT, "environment": "production", "service": "app", "status": "failed", "trigger_reason": "x"}]},
}

# What is typed, and words that have to be offered.
CASES = [
    ("rollbackctl ", ["status", "rollback", "gate"]),
    ("rollbackctl ro", ["rollback"]),
    ("rollbackctl rollback ", ["v2.5.3", ID]),
    ("rollbackctl rollback v2.5.3 --rev", ["--revert-migrations"]),
    ("rollbackctl rollback --override mig", ["migration"]),
    ("rollbackctl show d9", [EVENT]),
    ("rollbackctl resume --breaker ", ["production"]),
    ("rollbackctl history --status ab", ["aborted"]),
    ("rollbackctl status --js", ["--json"]),
    ("rollbackctl status --ser", ["--server"]),
    ("rollbackd ", ["run", "doctor", "explain", "check-config"]),
    ("rollbackd install --pr", ["--print"]),
    ("rollbackd doctor --config /etc/hos", ["/etc/hosts"]),
]
NEVER = {"rollbackctl ": ["complete"]}  # for the shells only


class StandIn(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(ROWS.get(self.path.split("?")[0], {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def bash_offers(line, environment):
    words = line.split(" ")
    script = f"""
source {FOLDER}/{words[0]}.bash
COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}
compopt() {{ :; }}
_{words[0]}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, env=environment)
    return done.stdout.split("\n"), done.stderr


def fish_offers(line, environment):
    program = line.split(" ")[0]
    script = f"source {FOLDER}/{program}.fish; complete -C '{line}'"
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, env=environment)
    return [offer.split("\t")[0] for offer in done.stdout.split("\n")], done.stderr


class Zsh:
    """An interactive zsh on a terminal of its own, of which the completion's list is read."""

    def __init__(self, folder, environment):
        for program in program_help.PROGRAMS:
            shutil.copy(FOLDER / f"{program}.zsh", os.path.join(folder, f"_{program}"))
        self.folder = folder
        self.environment = environment

    def offers(self, line, wanted):
        start = f"""
PS1='READY> '; fpath=({self.folder} $fpath); autoload -Uz compinit; compinit -u -D
LISTMAX=10000; zstyle ':completion:*' list-colors ''; setopt no_beep
"""
        path = os.path.join(self.folder, "start")
        with open(path, "w") as file:
            file.write(start)
        child, terminal = pty.fork()
        if child == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"], {**self.environment, "TERM": "dumb", "COLUMNS": "200"})
        try:
            self.until(terminal, "% ", "# ")
            os.write(terminal, f"source {path}\n".encode())
            self.until(terminal, "READY> ")
            os.write(terminal, line.encode() + b"\t\t")
            return self.all_of(terminal, wanted)
        finally:
            os.close(terminal)
            os.kill(child, 9)
            os.waitpid(child, 0)

    @staticmethod
    def until(terminal, *texts, seconds=20):
        seen, limit = "", time.monotonic() + seconds
        while not any(text in seen for text in texts):
            left = limit - time.monotonic()
            if left <= 0 or not select.select([terminal], [], [], left)[0]:
                raise RuntimeError(f"zsh did not say {texts}, but {seen!r}")
            seen += os.read(terminal, 65536).decode(errors="replace")
        return seen

    @staticmethod
    def all_of(terminal, wanted, seconds=20):
        """What comes until all of it is there."""
        seen, limit = "", time.monotonic() + seconds
        while not all(word in seen for word in wanted):
            left = limit - time.monotonic()
            if left <= 0 or not select.select([terminal], [], [], left)[0]:
                break
            seen += os.read(terminal, 65536).decode(errors="replace")
        return seen


def check(shell, offers, wrong):
    for line, wanted in CASES:
        if shell == "zsh":  # lists files without their folder
            wanted = [word.rpartition("/")[2] for word in wanted]
        got, errors = offers(line, wanted)
        missing = [word for word in wanted if word not in got]
        unwanted = [word for word in NEVER.get(line, []) if word in got]
        if missing or unwanted or errors.strip():
            wrong.append(f"{shell}: '{line}' lacks {missing}, has {unwanted}: it offers {got}\n{errors}")


def check_not_obeyed(mark, environment, wrong):
    if os.path.exists(mark):
        wrong.append(f"completing has carried out the version {HOSTILE}")
    got, errors = bash_offers("rollbackctl rollback v3", environment)
    if got != ["v3\\$\\(\\>\\$MARK\\)", ""] or errors.strip():
        wrong.append(f"bash: the version {HOSTILE} is offered as {got}\n{errors}")


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "PATH": f"{program_help.BUILD}:/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8",
        "ROLLBACKD_SERVER": f"http://127.0.0.1:{server.server_port}", "ROLLBACKD_TOKEN": "t",
    }
    marks = tempfile.TemporaryDirectory()
    environment["MARK"] = os.path.join(marks.name, "mark")
    wrong, absent = [], []
    check("bash", lambda line, _: bash_offers(line, environment), wrong)
    if shutil.which("fish"):
        with tempfile.TemporaryDirectory() as home:
            check("fish", lambda line, _: fish_offers(line, {**environment, "HOME": home}), wrong)
    else:
        absent.append("fish")
    if shutil.which("zsh"):
        with tempfile.TemporaryDirectory() as folder:
            zsh = Zsh(folder, environment)
            check("zsh", lambda line, wanted: (zsh.offers(line, wanted), ""), wrong)
    else:
        absent.append("zsh")
    check_not_obeyed(environment["MARK"], environment, wrong)
    print("\n".join(wrong) or f"completions: {len(CASES)} lines, as wanted")
    if absent:
        print(f"skipped: {' and '.join(absent)} not installed; ./dev setup test installs them")
    return 1 if wrong else 77 if len(absent) == 2 else 0


if __name__ == "__main__":
    sys.exit(main())
