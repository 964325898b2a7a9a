"""What must hold after a run: the ledger of the stand-in, the journal and the rows of deployments agree."""

import datetime

from one_run import BAD

PAUSE_EFFECTIVE = 2.0  # seconds
GATE_VALID = 2.0  # seconds for which the look at the leader right before a dispatch is good
LISTED_IN_TIME = 1.0  # seconds before the end of a look-up: then it has to find a run
DEPLOY_TIMEOUT = 5.0  # of one_run.py's configuration, from the claim to `not_after`, a whole second
INPUTS = {"rollback_id", "environment", "service", "version", "git_commit", "deployment_id", "reason", "not_after"}
CLOCKS = 0.005  # the server's commit time and the stand-in's are of one machine
# Ends of which the journal says that nothing was dispatched.
NOT_DISPATCHED = ("aborted",)


def violations(run):
    """One line for each rule that was broken; none: all held."""
    found = []
    rollbacks = [r for r in run.rows["rollbacks"] if r["trigger_type"] == "automatic"]
    posts = run.ledger["posts"]
    runs = run.ledger["runs"]
    if not rollbacks and not run.rows["held"]:
        found.append("lost: no rollback of the bad deployment, and no alerted hold")
    known = {r["event_id"] for r in rollbacks}
    for post in posts:
        if post["body"]["inputs"].get("rollback_id") not in known:
            found.append(f"a dispatch of a rollback that the journal does not know: {post['body']['inputs']}")
    for rollback in rollbacks:
        found += about_one(run, rollback, posts, runs)
    active = [r for r in rollbacks if r["status"] in ("pending", "in_progress")]
    if active:
        found.append(f"no end: {active[0]['status']}, dispatch {active[0]['dispatch']['status']}")
    found += about_leaders(run, posts)
    found += [f"a run was left {r['status']}" for r in runs if r["status"] != "completed"]
    if run.paused_at:
        # The commit of one that was decided before may have been held up. No byte of its request leaves.
        held_up = any(fault.point.startswith("before_commit") for fault in run.plan.faults)
        found += [f"claimed {float(c['at']) - run.paused_at:.1f} s after the pause"
                  for c in run.rows["claims"] if not held_up and float(c["at"]) > run.paused_at + PAUSE_EFFECTIVE]
        found += [f"dispatched {p['at'] - run.paused_at:.1f} s after the pause"
                  for p in posts if p["at"] > run.paused_at + PAUSE_EFFECTIVE]
    return found


def about_leaders(run, posts):
    """One at a time, each under a higher epoch than the one before, and nobody else acts."""
    found = list(run.rows["wrong"])
    epochs = [row["epoch"] for row in run.rows["leadership"]]
    if epochs != sorted(set(epochs)):
        found.append(f"the epochs of the journal do not rise: {epochs}")
    if epochs != [row["epoch"] for row in run.rows["leaders"]]:
        found.append(f"the journal does not tell of every leader: {epochs}")
    if run.rows["at_doorbell"] > 1:
        found.append(f"{run.rows['at_doorbell']} sessions hold the doorbell's lock or wait for it")
    for post in posts:
        daemon = post["token"].removeprefix("of-")
        led = reigns(run.rows["leaders"], daemon)
        if not any(since <= post["at"] + CLOCKS and post["at"] <= until + GATE_VALID for since, until in led):
            found.append(f"daemon {daemon} dispatched without leading")
    return found


def reigns(leaders, daemon):
    """From when to when the daemon led."""
    ends = [float(row["at"]) for row in leaders[1:]] + [float("inf")]
    return [(float(row["at"]), end) for row, end in zip(leaders, ends) if row["daemon"] == daemon]


def about_one(run, rollback, posts, runs):
    found = []
    event = rollback["event_id"]
    own_posts = [p for p in posts if p["body"]["inputs"].get("rollback_id") == event]
    own_runs = [r for r in runs if r["rollback_id"] == event]
    effects = [r for r in own_runs if r["effect"] == "deployed"]
    claims = [float(c["at"]) for c in run.rows["claims"] if c["event_id"] == event]

    accepted = [p for p in own_posts if p["runs"]]
    if len(accepted) > 1:
        found.append(f"double dispatch: {len(accepted)} requests made runs")
    if len(effects) > 1:
        found.append(f"deployed {len(effects)} times")
    for earlier, later in zip(own_posts, own_posts[1:]):
        if not is_certain_no(earlier):
            found.append(f"asked again after an answer that was no certain no: {earlier['status']}, then {later['status']}")
    for post in own_posts:
        before = [claim for claim in claims if claim <= post["at"] + CLOCKS]
        if not before:
            found.append("dispatched before the claim was committed")
        found += about_inputs(post["body"]["inputs"], max(before, default=post["at"]))
    if len(own_posts) > len(claims):
        found.append(f"{len(own_posts)} requests of {len(claims)} claims")
    end = rollback["metadata"].get("ended_by")
    held_up = any(fault.action in ("stop", "pause") for fault in run.plan.faults)  # for longer than a look-up
    if end == "outcome_unknown" and not held_up:
        limit = float(rollback["completed_at"]) - LISTED_IN_TIME
        found += ["given up although GitHub listed its run" for r in own_runs if r["listed_at"] < limit]
    if end == "deploy_failed" and own_posts and all(p["status"] == 429 for p in own_posts):
        found.append("given up after a certain no that may be asked again")
    return found + about_end(run, rollback, effects)


def about_inputs(inputs, claim):
    if lacking := INPUTS - set(inputs):
        return [f"a dispatch without {', '.join(sorted(lacking))}"]
    not_after = datetime.datetime.fromisoformat(inputs["not_after"].replace("Z", "+00:00")).timestamp()
    off = not_after - claim - DEPLOY_TIMEOUT
    return [f"not_after is {off:.1f} s too late"] if off > 1.5 else []


def is_certain_no(post):
    return isinstance(post["status"], int) and 400 <= post["status"] < 500 and not post["runs"]


def about_end(run, rollback, effects):
    """The rows of deployments are consistent with how it ended, and people were told."""
    found = []
    status, ended_by = rollback["status"], rollback["metadata"].get("ended_by")
    bad = next(d["status"] for d in run.rows["deployments"] if d["deployment_id"] == BAD)
    replacement = next((d["status"] for d in run.rows["deployments"] if d["deployment_id"] == rollback["replacement"]), None)
    end = f"{status} ({ended_by}), deployed {len(effects)} times: "
    if status in ("pending", "in_progress"):
        return found
    served = bad == "rolled_back"
    if status == "success" and not (served and replacement == "success" and len(effects) == 1):
        found.append(f"{end}the bad deployment is {bad}, the replacement {replacement}")
    if status == "failed" and ended_by == "still_unhealthy" and not (served and replacement == "success"):
        found.append(f"{end}the bad deployment is {bad}, the replacement {replacement}")
    if status == "aborted" and ended_by != "superseded" and (effects or served or replacement not in (None, "failed")):
        found.append(f"{end}the bad deployment is {bad}, the replacement {replacement}")
    late = rollback["metadata"].get("late_outcome")
    if status == "failed" and ended_by in ("deploy_failed", "outcome_unknown"):
        if late and effects and not (served and replacement == "success"):
            found.append(f"{end}late {late}, and the bad deployment is {bad}, the replacement {replacement}")
        if not late and (served or replacement == "success"):
            found.append(f"{end}the bad deployment is {bad}, the replacement {replacement}")
        if effects and not late:
            found.append(f"{end}it was not followed to its late success")
    kinds = [a["kind"] for a in run.rows["alerts"] if a["event_id"] == rollback["event_id"]]
    wanted = {"success": "completed"}.get(status, status)
    if kinds.count(wanted) != 1:
        found.append(f"{end}{kinds.count(wanted)} alerts of the kind {wanted}")
    return found
