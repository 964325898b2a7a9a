"""The planted bugs: mistakes that a patched rollbackd_torture makes when ROLLBACKD_PLANTED_BUG names one, each where
a real one would be (planted_bugs.patch: `planted("…")`), and the runs that have to notice it."""

from typing import NamedTuple

import plans


class Bug(NamedTuple):
    what: str
    noticed_by: tuple  # plans as plans.read takes them; one is enough


BUGS = {
    "retries_post": Bug(
        "the POST is sent again after an answer that says nothing", ("none/fails_after_accepting/restart",)),
    "reuses_connection": Bug(
        "the POST goes over a kept connection, and libcurl repeats it when that dies",
        ("none/limits_then_closes/restart",)),
    "claims_after_dispatch": Bug(
        "the dispatch does not wait for the commit of its claim",
        ("before_commit_claim:lose_answer:1:0/behaves/restart",)),
    "acts_without_claim": Bug(
        "the dispatch goes on although the commit of its claim failed",
        ("before_commit_claim:lose_answer:1:0/behaves/restart",)),
    "epoch_unchecked": Bug(
        "the journal is written without a look at the epoch",
        # Twice: on a busy machine the server may end the stopped one's session first.
        ("before_commit_decision:stop:1:0/behaves/standby",) * 2),
    "gate_skipped": Bug(
        "nothing is read right before the dispatch", ("before_gate:pause:1:0/behaves/restart",)),
    "gate_ignored": Bug(
        "what is read right before the dispatch forbids nothing", ("before_gate:pause:1:0/behaves/restart",)),
    "gate_answer_kept": Bug(
        "what was read right before the dispatch is believed for ever",
        ("after_gate:pause:1:0/behaves/restart", "after_gate:stop:1:0/behaves/standby")),
    "pause_ignored": Bug(
        "the rules are never told of a pause", ("after_commit_prepared:pause:1:0/behaves/restart",)),
    "pause_read_once": Bug(
        "the pause is what it was when the daemon started", ("after_commit_prepared:pause:1:0/behaves/restart",)),
    "standby_acts": Bug(
        "a daemon without the lock acts under the leader's epoch", ("none/behaves/standby",)),
    "standby_takes_doorbell": Bug(
        "a standby takes the doorbell's lock, or waits for it", ("none/behaves/standby",)),
    "unknown_as_refused": Bug(
        "a dispatch of which nothing is known is asked for again", ("none/fails_after_accepting/restart",)),
    "refused_as_failed": Bug(
        "a dispatch that GitHub wants later is given up", ("none/rate_limits/restart",)),
    "look_up_forgotten": Bug(
        "a claim without a run is given up after a crash, not looked up",
        ("request_answered:crash:1:0/behaves/restart",)),
    "deploys_again": Bug(
        "a claim without a run is dispatched after a crash, not looked up",
        ("request_answered:crash:1:0/behaves/restart",)),
    "marker_left_out": Bug("the inputs lack rollback_id", ("none/behaves/restart",)),
    "not_after_left_out": Bug("the inputs lack not_after", ("none/behaves/restart",)),
    "restore_forgotten": Bug(
        "the bad deployment is not put back when nothing was dispatched", ("before_gate:pause:1:0/behaves/restart",)),
    "late_success_unsettled": Bug(
        "a late success changes no deployment", ("none/lists_too_late/restart",)),
    "late_run_not_cancelled": Bug("a run past its deadline is not cancelled", ("none/never_ends/restart",)),
    "end_unwritten": Bug("the end is believed, and not in the journal", ("none/behaves/restart",)),
    "higher_run_followed": Bug(
        "of two runs of one dispatch the later is believed", ("none/first_of_two_fails/restart",)),
}


def wanted(name=""):
    """(bug, plan) of every run that has to notice one; of one bug, if it is named."""
    for bug, about in BUGS.items():
        for text in about.noticed_by:
            if name in ("", bug):
                yield bug, plans.read(text)
