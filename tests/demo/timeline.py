"""What the tables say afterwards: every time and text in the report is read from the database."""

import itertools
import re

UUID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")

# The bad deployment's errors in the order of their commits.
ERRORS = """
select timestamp, message, extract(epoch from timestamp)::float8 as at,
       extract(epoch from pg_xact_commit_timestamp(xmin))::float8 as committed_at
from ops.system_logs
where severity in ('error', 'critical') and environment = 'production' and service = 'shop'
order by pg_xact_commit_timestamp(xmin)"""

DEPLOYMENT = """
select version, git_commit, status, health_check_passed,
       extract(epoch from deployed_at)::float8 as deployed_at,
       extract(epoch from (health_check_details->>'checked_at')::timestamptz)::float8 as checked_at,
       health_check_details->>'recent_errors' as recent_errors
from ops.deployments where deployment_id = '{id}'"""

EVENT = """
select event_id, status, trigger_reason, rollback_plan, constitutional_validation,
       extract(epoch from initiated_at)::float8 as decided_at,
       extract(epoch from completed_at)::float8 as completed_at
from ops.rollback_events where deployment_id = '{id}' order by id limit 1"""

STEPS = """
select s->>'name' as name, s->>'status' as status, s->>'error' as error, s->'metadata' as metadata,
       extract(epoch from (s->>'started_at')::timestamptz)::float8 as started_at,
       extract(epoch from (s->>'completed_at')::timestamptz)::float8 as completed_at
from ops.rollback_events, unnest(rollback_steps) with ordinality as e (s, n)
where event_id = '{id}' order by n"""

JOURNAL = """
select extract(epoch from timestamp)::float8 as at, event_type, severity, description
from ops.roman_events where metadata->>'deployment_id' = '{id}' order by id"""


class Facts:
    """Everything that is reported, read in one go."""

    def __init__(self, database, good, bad):
        self.good = database.row(DEPLOYMENT.format(id=good))
        self.bad = database.row(DEPLOYMENT.format(id=bad))
        self.errors = database.rows(ERRORS)
        self.event = database.row(EVENT.format(id=bad))
        self.steps = database.rows(STEPS.format(id=self.event["event_id"])) if self.event else []
        self.journal = database.rows(JOURNAL.format(id=bad))

    def step(self, name):
        return next((step for step in self.steps if step["name"] == name), None)


def clock(seconds):
    whole, fraction = divmod(seconds, 1)
    day = int(whole) % 86400
    return f"{day // 3600:02}:{day // 60 % 60:02}:{day % 60:02}.{int(fraction * 1000):03}"


def duration(seconds):
    if seconds == 0:
        return "at once"
    return f"{seconds:.2f} s " if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def value(number_or_text):
    return f"{number_or_text:g}" if isinstance(number_or_text, float) else str(number_or_text)


def moments(facts):
    """(seconds, what, text) of what happened, in the order in which it did."""
    good, bad, event = facts.good, facts.bad, facts.event
    yield good["deployed_at"], f"{good['version']} deployed", f"commit {good['git_commit']}"
    yield good["checked_at"], f"{good['version']} healthy", (
        f"passed its probation with {good['recent_errors']} errors: can be gone back to")
    yield bad["deployed_at"], f"{bad['version']} deployed", f"commit {bad['git_commit']}"
    if facts.errors:
        yield facts.errors[0]["at"], "first error", facts.errors[0]["message"]
    if len(facts.errors) > 5:
        yield facts.errors[5]["at"], "sixth error", facts.errors[5]["message"]
    if event:
        yield from moments_of_rollback(facts, event)


def moments_of_rollback(facts, event):
    target = event["rollback_plan"]["target"]
    decision = f"roll back to {target['version']}" if target else "rejected"
    if len(facts.errors) > 5:
        later = event["decided_at"] - facts.errors[5]["committed_at"]
        decision += f", {later * 1000:.1f} ms after the sixth error was committed"
    yield event["decided_at"], "decision", decision
    dispatch, deploy = facts.step("trigger_deploy"), facts.step("await_deploy")
    if dispatch and dispatch["status"] != "skipped":
        yield dispatch["started_at"], "deploy begins", (
            f"{dispatch['started_at'] - event['decided_at']:.1f} s after the decision, as rollback.confirm asks")
    if deploy and deploy["status"] == "success":
        yield deploy["completed_at"], "deploy ends", f"the shop runs {target['version']} again"
    verified = facts.step("verify_health")
    failed = next((step for step in facts.steps if step["status"] == "failed"), None)
    yield event["completed_at"], f"rollback {event['status']}", remark(failed or verified)


def print_timeline(screen, facts):
    screen.heading("What happened", "UTC, by the database's clock; seconds since the bad deployment")
    zero = facts.bad["deployed_at"]
    for at, what, text in moments(facts):
        if at is None:
            continue
        since = f"+{at - zero:.3f} s" if at >= zero else ""
        strong = screen.style("bold" if what == "decision" else "dim", f"{since:>10}")
        screen.say(f"  {clock(at)}  {strong}  {what:<17} {text}")


def remark(step):
    """What a step's row says beyond its times."""
    if step["error"]:
        return step["error"]
    told = step["metadata"] or {}
    if "window_seconds" in told and "recent_errors" in told:
        return (f"{value(told['recent_errors'])} errors in {value(told['window_seconds'])} s"
                f" (evidence: {told.get('evidence', 'unknown')})")
    text = told.get("detail") or ", ".join(f"{key.replace('_', ' ')} {value(told[key])}" for key in told)
    return UUID.sub(r"\1", text)


def print_steps(screen, facts):
    if not facts.steps:
        return
    screen.heading("The rollback, step by step", "ops.rollback_events.rollback_steps; begin: since the decision")
    colours = {"success": "green", "failed": "red"}
    screen.say(screen.style("dim", f"  {'step':<31} {'begin':>8}  {'took':>9}   outcome"))
    for number, step in enumerate(facts.steps, 1):
        begin = took = ""
        if step["started_at"] and step["status"] != "skipped":
            begin = f"{step['started_at'] - facts.event['decided_at']:.3f} s"
            if step["completed_at"]:
                took = duration(step["completed_at"] - step["started_at"])
        outcome = screen.style(colours.get(step["status"], "dim"), f"{step['status']:<8}")
        screen.say(f"  {number} {step['name']:<29} {begin:>8}  {took:>9}   {outcome} {remark(step)}".rstrip())


def print_validation(screen, facts):
    if not facts.event:
        return
    validation = facts.event["constitutional_validation"]
    verdict = "compliant" if validation["compliant"] else "a violation: rejected"
    screen.heading(f"Validated before it acted: {verdict}", "ops.rollback_events.constitutional_validation")
    screen.say(screen.style("dim", f"  {'law':<25} {'outcome':<10} {'measured':<19} limit"))
    laws = [check for check in validation["checks"] if check["name"].startswith("law_")]
    others = [check for check in validation["checks"] if check not in laws]
    for check in laws + [check for check in others if check["outcome"] != "compliant"]:
        outcome = screen.style("green" if check["outcome"] == "compliant" else "red", f"{check['outcome']:<10}")
        screen.say(f"  {check['name']:<25} {outcome} {value(check['measured']):<19} {value(check['limit'])}")
    fine = [check["name"] for check in others if check["outcome"] == "compliant"]
    screen.say(f"  and {len(fine)} preconditions, compliant:")
    screen.say(f"    {', '.join(fine)}")


def print_journal(screen, facts):
    screen.heading("What the journal tells", "ops.roman_events of the bad deployment, without the steps above")
    for row in facts.journal:
        if row["event_type"] != "rollback_step":
            screen.say(f"  {clock(row['at'])}  {row['event_type']:<20} {row['description']}")


def orders_by_release(lines):
    """[version, served, failed] for each time that a release ran."""
    orders = [line.split() for line in lines if line.count(" ") == 2]
    for version, group in itertools.groupby(orders, key=lambda order: order[1]):
        outcomes = [order[2] for order in group]
        yield version, outcomes.count("served"), outcomes.count("failed")


def print_orders(screen, lines):
    screen.heading("What it cost", "the shop's own book of orders")
    screen.say(screen.style("dim", f"  {'release':<14} {'served':>6}  {'failed':>6}"))
    seen = set()
    for version, served, failed in orders_by_release(lines):
        name = f"{version} again" if version in seen else version
        seen.add(version)
        colour = "red" if failed else "green"
        screen.say(f"  {name:<14} {served:>6}  {screen.style(colour, f'{failed:>6}')}")


def print_checks(screen, checks):
    """`checks`: (version, when, answer of POST /auto-rollback/check)."""
    checks = [check for check in checks if check[2]]
    if not checks:
        return
    screen.heading("What the API says", "POST /auto-rollback/check")
    screen.say(screen.style("dim", f"  {'asked about':<24} {'should_rollback':<16} {'state':<13} reason"))
    for version, when, answer in checks:
        should = str(answer["should_rollback"]).lower()
        screen.say(f"  {version + ', ' + when:<24} {should:<16} {answer['state']:<13} {answer['reason']}")


def summary(facts, lines):
    """The whole story of a rollback that succeeded, in one sentence."""
    zero = facts.bad["deployed_at"]
    failed = sum(line.endswith(" failed") for line in lines)
    return (f"{facts.bad['version']} was found bad after {facts.event['decided_at'] - zero:.1f} s, replaced after"
            f" {facts.step('await_deploy')['completed_at'] - zero:.1f} s, verified healthy after"
            f" {facts.event['completed_at'] - zero:.1f} s; {failed} orders failed.")
