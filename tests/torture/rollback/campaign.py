#!/usr/bin/env python3
"""./dev torture rollback: rollbacks with faults at every step, against a stand-in for GitHub that misbehaves.

    campaign.py [--jobs N]                     directed: every point × action × behaviour × who goes on
    campaign.py --runs N [--seed N]            at random, two or three faults each
    campaign.py --quick                        one run for each point and each behaviour
    campaign.py --plan PLAN                    one run again, as a failing one printed it
    campaign.py --bugs                         every planted bug of bugs.py over its runs: each has to be caught
    campaign.py --bug NAME [--plan PLAN]       one of them, over its runs or this one

Exit status: 0 every rule held and every point was arrived at (with bugs: each was caught), 1 not, 2 usage.
"""

import argparse
import collections
import concurrent.futures
import math
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

import bugs  # noqa: E402
import oracle  # noqa: E402
import planted  # noqa: E402
import plans  # noqa: E402
from one_run import WITNESSES, Failed, Run  # noqa: E402
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
        self.ends = time.monotonic() + 60 * options.minutes
        self.program = pathlib.Path(options.program).resolve()
        self.postgres = Postgres(stage, with_tcp=False, more=SERVER_SETTINGS)
        stage.run([self.program, "install", "--conninfo", self.postgres.conninfo("postgres")], "rollbackd install")
        with Session(self.postgres, "postgres") as template:
            template.run(WITNESSES)
        self.admin = Session(self.postgres, "postgres", "postgres")
        self.making_databases = threading.Lock()
        standin = stage.start("github", [sys.executable, "-B", ROOT / "tests/support/github/standin.py"])
        stage.wait_until("the stand-in for GitHub", lambda: "listening on" in standin.log.read_text())
        self.github = "http://127.0.0.1:" + re.search(r"listening on (\d+)", standin.log.read_text())[1]


class Report:
    def __init__(self, wanted):
        self.total = len(wanted)
        self.done = 0
        self.faults = self.reached = 0
        self.failures = []
        self.undone = []
        self.hits = collections.Counter()
        self.ends = collections.Counter()
        self.takeovers = collections.defaultdict(list)
        self.bugs = {bug: [] for bug, _ in wanted if bug}  # and what noticed each
        self.begun = time.monotonic()

    def take(self, run, found):
        self.done += 1
        self.faults += len(run.plan.faults)
        self.reached += run.reached
        if run.bug:
            self.bugs[run.bug] += found
            return
        self.hits.update(run.hits)
        for rollback in run.rows["rollbacks"]:
            self.ends[f"{rollback['status']} {rollback['metadata'].get('ended_by', '')}".strip()] += 1
        if taken := run.takeover():
            self.takeovers[taken[0]].append(taken[1])
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
        if not self.ends:
            return
        print("rollbacks ended: " + ", ".join(f"{n} {end}" for end, n in self.ends.most_common()))
        for action, taken in sorted(self.takeovers.items()):
            taken.sort()
            print(f"takeover after {action}: {len(taken)} times, median {taken[len(taken) // 2]:.2f} s, "
                  f"99th percentile {taken[math.ceil(len(taken) * 0.99) - 1]:.2f} s, longest {taken[-1]:.2f} s")
        if self.never():
            print("never arrived at: " + ", ".join(self.never()))
        rules = collections.Counter(re.sub(r"[\d.]+", "N", line) for _, found in self.failures for line in found)
        for line, n in rules.most_common():
            print(f"  {n:5} × {line}")


    def never(self):
        return [p for p in plans.POINTS + tuple(plans.RARE_POINTS) if not self.hits[p]]

    def tell_bugs(self):
        for name, found in self.bugs.items():
            print(f"{'caught' if found else 'NOT caught'}  {name}: {bugs.BUGS[name].what}")
            print("".join(f"            {line}\n" for line in sorted(set(found))[:3]), end="")
        caught = sum(bool(found) for found in self.bugs.values())
        print(f"\n{caught} of {len(self.bugs)} planted bugs caught")
        return caught == len(self.bugs)


def carry_out(world, number, plan, keep, bug=""):
    if time.monotonic() > world.ends:
        return None, [], ""
    for attempt in range(ATTEMPTS):
        run = Run(world, f"{number}_{attempt}", plan, bug)
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
    """(bug, plan) of each run."""
    if options.plan:
        return [(options.bug or "", plans.read(options.plan))]
    if options.bug or options.bugs:
        return list(bugs.wanted(options.bug or ""))
    return [("", plan) for plan in plans_without_bugs(options)]


def plans_without_bugs(options):
    if options.quick:
        return list(plans.quick())
    if options.runs:
        return list(plans.at_random(options.seed, options.runs))
    everything = list(plans.directed())
    random.Random(options.seed).shuffle(everything)
    return everything[: options.first] if options.first else everything


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", help="default: build/release/rollbackd_torture; with bugs one that can make them")
    parser.add_argument("--jobs", type=int, default=8 * (os.cpu_count() or 1), help="runs side by side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=0, help="so many random ones")
    parser.add_argument("--first", type=int, default=0, help="only so many of the directed ones, in an order by the seed")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which no run begins any more")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--plan", help="point:action:nth:delay_ms+…/behaviour/mode")
    parser.add_argument("--bug", choices=bugs.BUGS, metavar="NAME", help="one planted bug")
    parser.add_argument("--bugs", action="store_true", help="all planted bugs")
    options = parser.parse_args()
    if options.program is None:
        wants_bugs = options.bug or options.bugs
        options.program = str(planted.build() if wants_bugs else ROOT / "build/release/rollbackd_torture")
    return options


def main():
    options = arguments()
    wanted = chosen_plans(options)
    print(f"{len(wanted)} runs, {options.jobs} side by side, seed {options.seed}", flush=True)
    stage = Stage()
    try:
        world = World(stage, options)
        report = Report(wanted)
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
            waiting = [pool.submit(carry_out, world, n, p, bool(options.plan), b) for n, (b, p) in enumerate(wanted)]
            for future in concurrent.futures.as_completed(waiting):
                run, found, problem = future.result()
                if problem:
                    report.undone.append(run.plan)
                    print(f"\nnot carried out: {run.plan}: {problem}", flush=True)
                elif run:
                    report.take(run, found)
                if run:
                    report.progress()
        report.tell()
        world.admin.close()
    finally:
        stage.close()
    if not planted.applies():
        print("planted_bugs.patch does not fit the source any more: bring it up to date")
        return 1
    if options.bug or options.bugs:
        return 0 if report.tell_bugs() and not report.undone else 1
    is_whole = not (options.quick or options.plan or options.first or options.runs) and report.done == report.total
    return 1 if report.failures or report.undone or (is_whole and report.never()) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"torture: {failure}", file=sys.stderr)
        sys.exit(1)
