#!/usr/bin/env python3
"""What the HTTP server costs and withstands, measured on the real daemon with a private PostgreSQL.

speed     requests a second and the 99th percentile of /metrics and /check under wrk, beside a bare Beast
          server that sends the same bodies without looking at the requests; alternating slices of one second
decision  from the commit of the sixth error to the commit of the decision, at rest and while hey asks for
          500 /check a second; alternating slices
abuse     the same, the valid client's time and a person's rollback, while others do what they can for as long as it
          takes; with as many descriptors as it is given usually, and with too few

Each figure is printed with the number of runs behind it; what is promised and was not met is said at the end, and
the exit status is 1. The database waits for the disk. Needs the Debian packages wrk and hey.
"""

import sys

sys.path.pop(0)  # the folder of this file, which would stand in for the library's http

import argparse  # noqa: E402
import collections
import contextlib
import json
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "bench" / "http"), str(ROOT / "tests" / "demo")]

from ground import Ground  # noqa: E402
from stage import Failure, Stage  # noqa: E402

SLICE_SECONDS = 1
CONNECTIONS = 16
ASKED_A_SECOND = 500
HEY_WORKERS = 10
# Before anything is measured: 10,000 connections are opened in 5 seconds, and go on being opened.
WARM_UP_SECONDS = 6
# What was promised of it.
RATIO_MAX = 2
PERCENTILE_MS_MAX = 20


def quantile(values, share):
    """Of at least one value."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# --- speed ------------------------------------------------------------------------------------------


def seconds_of(text):
    """As wrk writes a duration: a machine that stood still makes minutes of one."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m|h)", text).groups()
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}[unit]


def wrk(url, script):
    """One slice: requests a second and the 99th percentile in milliseconds."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SLICE_SECONDS}s", "--latency", "-s", script, url],
        capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise Failure(f"wrk met errors at {url}:\n{done.stdout}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout).group(1))
    return rate, seconds_of(re.search(r"99%\s+(\S+)", done.stdout).group(1)) * 1e3


def compare_speed(ground, pairs):
    deployment = ground.new_service()
    metrics = ground.get("/metrics")[1]
    status, check = ground.post("/auto-rollback/check", {"deployment_id": deployment})
    if status != 200:
        raise Failure(f"/check says {status}: {check}")
    folder = ground.stage.folder
    (folder / "get").write_text(metrics)
    (folder / "post").write_text(check)
    bare = ground.start_bare(folder / "get", folder / "post")
    (folder / "get.lua").write_text("")
    (folder / "post.lua").write_text(
        'wrk.method = "POST"\n'
        f'wrk.body = \'{json.dumps({"deployment_id": deployment})}\'\n'
        f'wrk.headers["Authorization"] = "Bearer {ground.token}"\n')
    for path, script, size in (("/metrics", "get.lua", len(metrics)), ("/auto-rollback/check", "post.lua", len(check))):
        ours, theirs = [], []
        for _ in range(pairs):
            ours.append(wrk(f"http://127.0.0.1:{ground.port}{path}", folder / script))
            theirs.append(wrk(f"http://127.0.0.1:{bare}{path}", folder / script))
        for name, runs in (("rollbackd", ours), ("bare Beast", theirs)):
            print(f"{path:<22} {name:<11} {statistics.median(r for r, _ in runs):>9.0f} requests/s,"
                  f" 99th percentile {statistics.median(p for _, p in runs):.2f} ms")
        print(f"{path:<22} ratio       {statistics.median(o[0] / t[0] for o, t in zip(ours, theirs)):>9.2f} of the requests,"
              f" {statistics.median(o[1] / t[1] for o, t in zip(ours, theirs)):.2f} of the percentile"
              f" (medians of {pairs} pairs of {SLICE_SECONDS} s, {CONNECTIONS} connections, {size} bytes)")


# --- decision ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def hey(ground, seconds):
    """500 /check a second, meanwhile."""
    body = json.dumps({"deployment_id": ground.some_deployment})
    process = subprocess.Popen(
        ["hey", "-z", f"{seconds}s", "-c", str(HEY_WORKERS), "-q", str(ASKED_A_SECOND // HEY_WORKERS), "-m", "POST",
         "-H", f"Authorization: Bearer {ground.token}", "-d", body,
         f"http://127.0.0.1:{ground.port}/auto-rollback/check"],
        stdout=subprocess.PIPE, text=True)
    told = {}
    try:
        before = ground.requests()
        ground.wait_for("hey to ask", lambda: ground.requests() > before + ASKED_A_SECOND / 5)
        yield told
    finally:
        process.send_signal(signal.SIGINT)
        told["text"] = process.communicate()[0]


def time_decisions(ground, slices, decisions):
    rest, loaded, rates, latencies = [], [], [], []
    for _ in range(slices):
        rest += [ground.decision_ms() for _ in range(decisions)]
        with hey(ground, 120) as told:
            loaded += [ground.decision_ms() for _ in range(decisions)]
        statuses = re.findall(r"\[(\d+)\]\s+\d+ responses", told["text"])
        if statuses != ["200"]:
            raise Failure(f"hey met errors:\n{told['text']}")
        rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", told["text"]).group(1)))
        latencies.append(float(re.search(r"99% in ([\d.]+) secs", told["text"]).group(1)) * 1e3)
    medians = statistics.median(rest), statistics.median(loaded)
    for name, times, median in (("at rest", rest, medians[0]), ("under hey", loaded, medians[1])):
        print(f"event to decision, {name:<9} median {median:.2f} ms, 99th percentile {quantile(times, 0.99):.2f} ms,"
              f" greatest {max(times):.2f} ms ({len(times)} decisions in {slices} slices)")
    print(f"hey: {statistics.median(rates):.0f} requests/s, 99th percentile {statistics.median(latencies):.2f} ms"
          f" (medians of {slices} slices)")
    if statistics.median(rates) < 0.95 * ASKED_A_SECOND:
        raise Failure(f"hey asked for less than {ASKED_A_SECOND} requests a second: this says nothing")
    ratio, percentile = medians[1] / medians[0], quantile(loaded, 0.99)
    print(f"ratio of the medians {ratio:.2f} (promised: at most {RATIO_MAX});"
          f" 99th percentile under hey {percentile:.2f} ms (promised: at most {PERCENTILE_MS_MAX} ms)")
    return ratio <= RATIO_MAX and percentile <= PERCENTILE_MS_MAX


# --- abuse ------------------------------------------------------------------------------------------------


class Connections:
    """Holds many connections, see abuser.py."""

    def __init__(self, port, count, kind):
        self.argv = [sys.executable, "-B", ROOT / "tests" / "bench" / "http" / "abuser.py", str(port), str(count), kind]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *ignored):
        self.process.terminate()
        did = json.loads(self.process.communicate()[0])
        self.told = f"{did['opened']} opened, at most {did['most']} at once, {did['ended']} ended by the daemon"


class Guesses:
    """Wrong tokens, so many at a time, until the end."""

    def __init__(self, port, count):
        self.argv = ["hey", "-n", str(count), "-c", "20", "-H", "Authorization: Bearer guessed",
                     f"http://127.0.0.1:{port}/auto-rollback/history"]
        self.answers = collections.Counter()
        self.stopping = False
        self.thread = threading.Thread(target=self.guess)

    def guess(self):
        while not self.stopping:
            text = subprocess.run(self.argv, capture_output=True, text=True, check=True).stdout
            for status, number in re.findall(r"\[(\d+)\]\s+(\d+) responses", text):
                self.answers[status] += int(number)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *ignored):
        self.stopping = True
        self.thread.join()
        self.told = ", ".join(f"{number} answers {status}" for status, number in self.answers.items())


def valid_request_ms(ground, tries=5):
    """On a connection of its own; and how often it had to be sent."""
    begun = time.monotonic()
    for sent in range(1, tries + 1):
        if ground.check(ground.some_deployment):
            return (time.monotonic() - begun) * 1e3, sent
    raise Failure(f"the valid client got no answer in {tries} tries")


def measure_under(ground, name, abuse, decisions):
    with abuse:
        time.sleep(WARM_UP_SECONDS if name != "nothing" else 0)
        cpu, begun = ground.processor_seconds(), time.monotonic()
        times = [ground.decision_ms() for _ in range(decisions)]
        asked = [valid_request_ms(ground) for _ in range(10 * decisions)]
        rollback = ground.rollback_seconds()
        share = (ground.processor_seconds() - cpu) / (time.monotonic() - begun)
    valid = [ms for ms, _ in asked]
    again = sum(sent - 1 for _, sent in asked)
    print(f"{name:<17} {getattr(abuse, 'told', '')}\n"
          f"    decision: median {statistics.median(times):.2f} ms, greatest {max(times):.2f} ms;"
          f" valid /check: median {statistics.median(valid):.2f} ms, greatest {max(valid):.2f} ms, {again} of"
          f" {len(asked)} sent again; rollback {rollback:.2f} s; daemon: {100 * share:.0f} % of a core,"
          f" {ground.memory_mib():.0f} MiB")


def withstand(ground, count, decisions):
    for descriptors in (1024, 128):
        ground.restart(descriptors)
        print(f"the daemon may open {descriptors} files; {decisions} decisions, {10 * decisions} valid requests and one"
              " rollback each")
        measure_under(ground, "nothing", contextlib.nullcontext(), decisions)
        measure_under(ground, "wrong tokens", Guesses(ground.port, count), decisions)
        for name, kind in (("idle connections", "idle"), ("slow headers", "headers"), ("slow bodies", "bodies")):
            measure_under(ground, name, Connections(ground.port, count, kind), decisions)


# --- all ------------------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", help="speed, decision, abuse (default: all)")
    parser.add_argument("--pairs", type=int, default=20, help="pairs of slices under wrk (20)")
    parser.add_argument("--slices", type=int, default=10, help="pairs of slices under hey (10)")
    parser.add_argument("--decisions", type=int, default=20, help="decisions a slice (20)")
    parser.add_argument("--count", type=int, default=10_000, help="of wrong tokens and of connections (10000)")
    arguments = parser.parse_args()
    wanted = arguments.part or ["speed", "decision", "abuse"]
    if unknown := set(wanted) - {"speed", "decision", "abuse"}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    for program in ("wrk", "hey"):
        if not shutil.which(program):
            sys.exit(f"bench http: {program} is not installed\n     ./dev setup bench")
    stage = Stage()
    is_kept = True
    try:
        ground = Ground(stage, ROOT / "build" / "release")
        if "speed" in wanted:
            compare_speed(ground, arguments.pairs)
        if "decision" in wanted:
            is_kept = time_decisions(ground, arguments.slices, arguments.decisions)
        if "abuse" in wanted:
            withstand(ground, arguments.count, arguments.decisions)
    except Failure as failure:
        sys.exit(f"bench http: {failure}")
    finally:
        stage.close()
    if not is_kept:
        sys.exit("bench http: slower than promised")


if __name__ == "__main__":
    main()
