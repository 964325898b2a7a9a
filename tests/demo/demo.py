#!/usr/bin/env python3
"""./dev demo: a bad deployment, noticed and rolled back, on a throw-away PostgreSQL.

Nothing that is printed is scripted: a shop runs, its bad release throws, rollbackd finds out from the
database and changes the release, and the times are read from the tables afterwards.
"""

import argparse
import os
import pathlib
import shlex
import signal
import sys
import time

import timeline
from daemon import DEPLOY, SHORTENED
from screen import Screen
from stage import Failure, Stage, tail
from story import BAD, GOOD, Story

ROOT = pathlib.Path(__file__).resolve().parents[2]

PAGES = [("/", "status"), ("/healthz", "alive?"), ("/readyz", "ready?"), ("/metrics", "metrics")]

QUERIES = [
    ("what was deployed", "select * from ops.deployments order by id;"),
    ("every rollback", "select * from ops.rollback_events order by id;"),
    ("every decision", "select * from ops.roman_events order by id;"),
    ("how a deployment is", "select ops.get_deployment_health('{}');"),
]


class Interrupted(Exception):
    def __init__(self, number):
        super().__init__(number)
        self.number = number


def interrupt(number, _frame):
    raise Interrupted(number)


def on_signals(handler):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.split("\n", 1)[0].split(": ")[1])
    parser.add_argument("--keep", action="store_true",
                        help="leave everything running afterwards, until Ctrl-C, and say how to look at it")
    parser.add_argument("--rollbackd", type=pathlib.Path, metavar="PROGRAM",
                        default=ROOT / "build/release/rollbackd", help="the program (default: build/release/rollbackd)")
    options = parser.parse_args()
    options.rollbackd = options.rollbackd.resolve()
    if not os.access(options.rollbackd, os.X_OK):
        parser.error(f"there is no program {options.rollbackd}: ./dev build makes it")
    return options


def introduce(screen):
    screen.say(screen.style("bold", "rollbackd: a bad deployment, noticed and rolled back"))
    screen.say("A shop logs its errors into PostgreSQL. A bad release is deployed; nobody looks, except rollbackd.")
    shortened = ", ".join(f"{name} {short} ({usual})" for name, short, usual in SHORTENED)
    screen.say(screen.style("dim", f"Timers are shortened for the demo (defaults): {shortened}."))
    screen.say()


def look_at_results(story):
    """Prints what happened. What is wrong with it, and one sentence that says it all."""
    screen = story.screen
    facts = timeline.Facts(story.database, story.good, story.bad)
    version = story.shop.version()
    current = story.database.run("select ops.deployment_at('production', 'shop', now())").strip()
    checks = [(BAD[0], "while it failed", story.check_while_bad), (version, "now", story.daemon.check(current))]
    timeline.print_timeline(screen, facts)
    timeline.print_steps(screen, facts)
    timeline.print_validation(screen, facts)
    timeline.print_journal(screen, facts)
    timeline.print_checks(screen, checks)
    orders = story.shop.orders()
    timeline.print_orders(screen, orders)
    wrong = []
    if facts.event is None:
        wrong.append("there was no rollback")
    elif facts.event["status"] != "success":
        wrong.append(f"the rollback's outcome is {facts.event['status']}, not success")
    if facts.bad["status"] != "rolled_back":
        wrong.append(f"{BAD[0]} is recorded as {facts.bad['status']}, not rolled_back")
    if version != GOOD[0]:
        wrong.append(f"the shop runs {version}, not {GOOD[0]}")
    return wrong, "" if wrong else timeline.summary(facts, orders)


def print_verdict(screen, stage, wrong, summary):
    if wrong:
        print_daemon_log(screen, stage)
        screen.say()
        screen.say(screen.style("red", "The demo failed: " + "; ".join(wrong) + "."))
    else:
        screen.say()
        screen.say(screen.style("green", f"The rollback succeeded: the shop runs {GOOD[0]} again."))
        screen.say(summary)


def print_daemon_log(screen, stage):
    log = tail(stage.folder / "rollbackd.log") if stage else ""
    if log:
        screen.heading("The end of rollbackd's log")
        screen.say(log)


def print_queries(screen, deployment):
    for what, query in QUERIES:
        screen.say(f"  {what:<20} {query.format(deployment)}")


def cause_of(failure, stage):
    """What ended by itself explains the rest."""
    try:
        if stage:
            stage.all_must_run()
    except Failure as ended:
        return ended
    return failure


def keep(story):
    """Says where to look, and waits for Ctrl-C."""
    screen, daemon = story.screen, story.daemon
    url = story.postgres.url()
    screen.heading("Everything keeps running until Ctrl-C")
    for page, what in PAGES:
        if daemon.get(page)[0] in (200, 503):
            screen.say(f"  {what:<14} {daemon.url}{page}")
    screen.say(f"  {'database':<14} psql {url}")
    screen.say(f"  {'log':<14} {daemon.process.log}")
    screen.say(f"  {'configuration':<14} {daemon.configuration}")
    screen.heading("Ask rollbackd about a deployment")
    screen.say(f"  curl -s {daemon.url}/auto-rollback/check -H 'Authorization: Bearer {daemon.token}' \\")
    screen.say(f"    -d '{{\"deployment_id\": \"{story.good}\"}}'")
    screen.heading("Steer it from a terminal")
    screen.say(f"  export ROLLBACKD_SERVER={daemon.url} ROLLBACKD_TOKEN={daemon.token}")
    screen.say("  build/release/rollbackctl status; build/release/rollbackctl history")
    screen.heading("Why it was done, from the database alone")
    screen.say(f"  build/release/rollbackd explain --config {daemon.configuration} {BAD[0]}")
    screen.heading("Look into its tables", "with psql as above")
    print_queries(screen, story.bad)
    screen.heading("Deploy the bad release again", "rollbackd goes back again, 10 s after the last time at the earliest")
    screen.say(f"  psql {url} -c \"insert into ops.deployments")
    screen.say("    (environment, service, version, git_commit, git_branch, status)")
    screen.say(f"    values ('production', 'shop', '{BAD[0]}', '{BAD[1]}', 'main', 'in_progress')\"")
    screen.say(f"  sh {shlex.quote(str(DEPLOY))} {story.shop.folder} {BAD[0]} {BAD[1]}")
    while True:
        story.stage.all_must_run()
        time.sleep(0.2)


def run(stage, screen, options):
    introduce(screen)
    story = Story(stage, screen, options)
    story.tell_it()
    wrong, summary = look_at_results(story)
    print_verdict(screen, stage, wrong, summary)
    if options.keep:
        try:
            keep(story)
        except Interrupted:
            screen.say()
            screen.say("Ending everything and removing its folder.")
    elif not wrong:
        screen.heading("To look further: ./dev demo --keep", "everything stays up until Ctrl-C, for queries such as")
        print_queries(screen, "...")
    return 1 if wrong else 0


def main():
    options = arguments()
    screen = Screen()
    stage = None
    on_signals(interrupt)
    try:
        stage = Stage()
        return run(stage, screen, options)
    except Failure as failure:
        print_daemon_log(screen, stage)
        screen.say()
        screen.say(screen.style("red", f"The demo failed: {cause_of(failure, stage)}"))
        return 1
    except Interrupted as interrupted:
        screen.say()
        screen.say("Interrupted: ending everything and removing its folder.")
        return 128 + interrupted.number
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    finally:
        on_signals(signal.SIG_IGN)
        if stage:
            stage.close()


if __name__ == "__main__":
    sys.exit(main())
