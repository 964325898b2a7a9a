"""The demo's temporary folder and the processes it starts: all of it ends, whatever happens."""

import contextlib
import ctypes
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>
SOCKET_FOLDER_MAX = 60  # a Unix socket's whole path has at most 107 bytes

# Outlives the demo only if that is killed without a chance to clean up: its standard input ends then.
# The processes get the signal that ends them from the kernel, see Stage.start.
GUARD = """trap '' INT TERM HUP; cat; n=0
while [ -e "$0" ] && [ $n -lt 100 ]; do rm -rf "$0"; n=$((n + 1)); sleep 0.1; done"""


class Failure(Exception):
    """The demo cannot go on; the text says why, for people."""


def libc_prctl():
    try:
        return ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None


def environment():
    """Ours without what would send psql, libpq or the daemon to somebody's real server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "ROLLBACKD_"))}
    return {**kept, "LC_ALL": "C.UTF-8"}


def free_port():
    """Below those that Linux gives to whoever asks for any, so that nobody gets it before it is used."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def tail(path, lines=25):
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


class Process:
    def __init__(self, name, popen, log, end_signal):
        self.name = name
        self.popen = popen
        self.log = log
        self.end_signal = end_signal

    def must_run(self):
        code = self.popen.poll()
        if code is not None:
            how = f"signal {-code}" if code < 0 else f"exit status {code}"
            raise Failure(f"{self.name} has ended by itself, {how}\n{tail(self.log, 5)}".rstrip())

    def end(self, seconds=8):
        for number in (self.end_signal, signal.SIGKILL):
            if self.popen.poll() is None:
                self.popen.send_signal(number)
            try:
                self.popen.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                continue


class Stage:
    """A folder and processes, ended in the reverse order of their start."""

    def __init__(self):
        self.processes = []
        temporary = tempfile.gettempdir()
        parent = temporary if len(temporary) <= SOCKET_FOLDER_MAX else "/tmp"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rollbackd-demo-", dir=parent))
        self.folder.chmod(0o755)  # the server's account passes through when root runs the demo
        self.prctl = libc_prctl()
        self.guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, str(self.folder)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, cwd="/",
        )

    def start(self, name, argv, end_signal=signal.SIGTERM, account=None):
        """A process whose output goes to FOLDER/<name>.log. `account`: keywords of Popen, user and group."""
        log = self.folder / f"{name}.log"

        def end_with_the_demo():
            if self.prctl:
                self.prctl(PR_SET_PDEATHSIG, int(end_signal))

        # A session of its own: Ctrl-C is for the demo, which ends the others in order.
        with open(log, "ab") as output:
            popen = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, cwd="/", env=environment(), preexec_fn=end_with_the_demo,
                **(account or {}),
            )
        process = Process(name, popen, log, end_signal)
        self.processes.append(process)
        return process

    def run(self, argv, what, account=None):
        """Runs a program to its end; Failure with its output when it fails."""
        done = subprocess.run(
            [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True, cwd="/",
            env=environment(), **(account or {}),
        )
        if done.returncode != 0:
            raise Failure(f"{what} failed (exit status {done.returncode}):\n{done.stdout.rstrip()}")
        return done.stdout

    def all_must_run(self):
        for process in self.processes:
            process.must_run()

    def wait_until(self, what, question, seconds=60):
        """The answer, as soon as it is true; a process that ends meanwhile is a Failure."""
        limit = time.monotonic() + seconds
        while True:
            self.all_must_run()
            answer = question()
            if answer:
                return answer
            if time.monotonic() > limit:
                raise Failure(f"waited {seconds} seconds in vain for: {what}")
            time.sleep(0.05)

    def close(self):
        for process in reversed(self.processes):
            process.end()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.guard.stdin.close()
        self.guard.wait(15)
