#!/usr/bin/env python3
"""./dev torture rollback: rollbacks with faults at every step, against a stand-in for GitHub that misbehaves.

    campaign.py [--jobs N]                     directed: every point × action × behaviour × who goes on
    campaign.py --runs N [--seed N]            at random, two or three faults each
    campaign.py --quick                        one run for each point and each behaviour
    campaign.py --plan PLAN                    one run again, as a failing one printed it
    campaign.py --bug NAME …                   any of these with a bug planted: it has to be caught

Exit status: 0 every rule held (with --bug: it was caught), 1 not, 2 usage.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "demo"))

import oracle  # noqa: E402
import plans  # noqa: E402
from one_run import Failed, Run  # noqa: E402
from postgres import Postgres, Session  # noqa: E402
from stage import Failure, Stage  # noqa: E402

SERVER_SETTINGS = """
max_connections = 800
shared_buffers = 64MB
max_locks_per_transaction = 128
"""
ATTEMPTS = 2  # of a run that could not be carried out
FAILURES_SHOWN = 20


class World:
    """What all runs share: one server with an installed template, one stand-in."""

    def __init__(self, stage, options):
        self.folder = stage.folder
        self.program = pathlib.Path(options.program).resolve()
        self.bug = options.bug or ""
        self.postgres = Postgres(stage, with_tcp=False, more=SERVER_SETTINGS)
        stage.run([self.program, "install", "--conninfo", self.postgres.conninfo("postgres")], "rollbackd install")
        self.admin = Session(self.postgres, "postgres", "postgres")
        self.making_databases = threading.Lock()
        standin = stage.start("github", [sys.executable, "-B", ROOT / "tests/support/github/standin.py"])
        stage.wait_until("the stand-in for GitHub", lambda: "listening on" in standin.log.read_text())
        self.github = "http://127.0.0.1:" + re.search(r"listening on (\d+)", standin.log.read_text())[1]


class Report:
    def __init__(self, total):
        self.total = total
        self.done = 0
        self.faults = self.reached = 0
        self.failures = []
        self.undone = []
        self.hits = collections.Counter()
        self.ends = collections.Counter()
        self.begun = time.monotonic()

    def take(self, run, found):
        self.done += 1
        self.faults += len(run.plan.faults)
        self.reached += run.reached
        self.hits.update(run.hits)
        for rollback in run.rows["rollbacks"]:
            self.ends[f"{rollback['status']} {rollback['metadata'].get('ended_by', '')}".strip()] += 1
        if found:
            self.failures.append((run.plan, found))
            if len(self.failures) <= FAILURES_SHOWN:
                print(f"\nFAILED {run.plan}", *(f"  {line}" for line in found), sep="\n")
                print(f"  again: ./dev torture rollback --plan {run.plan}", flush=True)

    def progress(self):
        seconds = time.monotonic() - self.begun
        if sys.stdout.isatty():
            print(f"\r    {self.done}/{self.total} runs, {len(self.failures)} failed, {seconds:.0f} s ", end="", flush=True)
        elif self.done % 100 == 0:
            print(f"    {self.done}/{self.total} runs, {len(self.failures)} failed, {seconds:.0f} s", flush=True)

    def tell(self):
        seconds = time.monotonic() - self.begun
        print(f"\n{self.done} runs in {seconds:.0f} s, {self.reached} of {self.faults} faults came about, "
              f"{len(self.failures)} runs broke a rule, {len(self.undone)} could not be carried out")
        print("rollbacks ended: " + ", ".join(f"{n} {end}" for end, n in self.ends.most_common()))
        never = [p for p in plans.POINTS + tuple(plans.RARE_POINTS) if not self.hits[p]]
        if never:
            print("never arrived at: " + ", ".join(never))
        rules = collections.Counter(re.sub(r"[\d.]+", "N", line) for _, found in self.failures for line in found)
        for line, n in rules.most_common():
            print(f"  {n:5} × {line}")


def carry_out(world, number, plan, keep):
    for attempt in range(ATTEMPTS):
        run = Run(world, f"{number}_{attempt}", plan)
        try:
            run.carry_out()
            found = oracle.violations(run)
            if keep and found:
                print(run.logs())
            run.forget()
            return run, found, ""
        except (Failed, Failure) as e:
            problem = str(e)
    return run, [], problem


def chosen_plans(options):
    if options.plan:
        return [plans.read(options.plan)]
    if options.quick:
        return list(plans.quick())
    if options.runs:
        return list(plans.at_random(options.seed, options.runs))
    everything = list(plans.directed())
    random.Random(options.seed).shuffle(everything)
    return everything[: options.first] if options.first else everything


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/rollbackd_torture"))
    parser.add_argument("--jobs", type=int, default=8 * (os.cpu_count() or 1), help="runs side by side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=0, help="so many random ones")
    parser.add_argument("--first", type=int, default=0, help="only so many of the directed ones, in an order by the seed")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--plan", help="point:action:nth:delay_ms+…/behaviour/mode")
    parser.add_argument("--bug", help="the name of a planted bug")
    return parser.parse_args()


def main():
    options = arguments()
    wanted = chosen_plans(options)
    print(f"{len(wanted)} runs, {options.jobs} side by side, seed {options.seed}", flush=True)
    stage = Stage()
    try:
        world = World(stage, options)
        report = Report(len(wanted))
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
            waiting = [pool.submit(carry_out, world, n, p, bool(options.plan)) for n, p in enumerate(wanted)]
            for future in concurrent.futures.as_completed(waiting):
                run, found, problem = future.result()
                if problem:
                    report.undone.append(run.plan)
                    print(f"\nnot carried out: {run.plan}: {problem}", flush=True)
                else:
                    report.take(run, found)
                report.progress()
        report.tell()
        world.admin.close()
    finally:
        stage.close()
    if options.bug:
        print(f"the bug {options.bug} was {'caught' if report.failures else 'NOT caught'}")
        return 0 if report.failures else 1
    return 1 if report.failures or report.undone else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"torture: {failure}", file=sys.stderr)
        sys.exit(1)
