"""What is done wrong in a run: which fault comes where, how GitHub behaves, who goes on."""

import random
from typing import NamedTuple

# How GitHub behaves, as tests/support/github/behaviours.py names it: eight kinds of trouble.
BEHAVIOURS = (
    "behaves", "fails_after_accepting", "no_run_id", "fails_and_lists_late", "two_runs", "rate_limits",
    "hangs_after_accepting", "nonsense",
)
# Who goes on: the same daemon, started again, or a second one that has been waiting.
MODES = ("restart", "standby")

COMMITS = ("decision", "steps", "prepared", "claim", "started", "in_service", "end", "other")
# Where each fault is worth a run: those of the table in engine/fail_point.hpp that every rollback passes.
POINTS = (
    tuple(f"{when}_commit_{what}" for what in COMMITS for when in ("before", "after"))
    + ("journal_read", "before_gate", "after_gate", "request_leaves", "request_answered", "poll", "leadership_taken")
)
# Those that need a GitHub which refuses, is unknown or late, and which of its behaviours bring a run there.
RARE_POINTS = {
    "before_commit_unclaim": ("rate_limits",),
    "after_commit_unclaim": ("rate_limits",),
    "look_up": ("fails_after_accepting", "no_run_id", "fails_and_lists_late", "hangs_after_accepting", "nonsense"),
    "before_commit_late": ("hangs_without_accepting",),
    "after_commit_late": ("hangs_without_accepting",),
    "follow_late": ("hangs_without_accepting",),
    "cancel": ("hangs_without_accepting",),
    "leadership_lost": (),
    "before_commit_migration": (),
    "after_commit_migration": (),
}
LOSES_ANSWER = ("request_answered",) + tuple(f"{when}_commit_{what}" for what in COMMITS for when in ("before", "after"))
ACTIONS = ("crash", "stop", "lose_database", "lose_answer", "pause")


class Fault(NamedTuple):
    point: str
    action: str
    nth: int = 1
    delay_ms: int = 0

    def __str__(self):
        return f"{self.point}:{self.action}:{self.nth}:{self.delay_ms}"


class Plan(NamedTuple):
    faults: tuple  # one after the other: the next is armed in the process that follows the one before
    behaviour: str
    mode: str
    seed: int = 0

    def __str__(self):
        return f"{'+'.join(map(str, self.faults)) or 'none'}/{self.behaviour}/{self.mode}"


def read(text):
    """A plan as it was printed."""
    faults, behaviour, mode = text.split("/")
    told = []
    for fault in faults.split("+") if faults != "none" else []:
        point, action, nth, delay = fault.split(":")
        told.append(Fault(point, action, int(nth), int(delay)))
    return Plan(tuple(told), behaviour, mode)


def actions_at(point):
    return [a for a in ACTIONS if a != "lose_answer" or point in LOSES_ANSWER]


def directed():
    """Every point × action × behaviour × mode."""
    for mode in MODES:
        for behaviour in BEHAVIOURS:
            for point in POINTS:
                for action in actions_at(point):
                    yield Plan((Fault(point, action),), behaviour, mode)
        for point, behaviours in RARE_POINTS.items():
            for behaviour in behaviours:
                for action in actions_at(point):
                    yield Plan((Fault(point, action),), behaviour, mode)


def quick():
    """One run for every point, and one for every behaviour without a fault."""
    for behaviour in BEHAVIOURS:
        yield Plan((), behaviour, "restart")
    for number, point in enumerate(POINTS):
        action = ("crash", "stop", "lose_database")[number % 3]
        yield Plan((Fault(point, action),), BEHAVIOURS[number % len(BEHAVIOURS)], MODES[number // 2 % 2])


def at_random(seed, count):
    """Two or three faults each, anywhere, at any arrival, also somewhat later."""
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        faults = []
        for _ in range(chance.choice((2, 2, 3))):
            point = chance.choice(POINTS + tuple(RARE_POINTS))
            nth = chance.choice((1, 1, 1, 2, 3))
            delay = chance.choice((0, 0, 0, 5, 50, 300))
            faults.append(Fault(point, chance.choice(actions_at(point)), nth, delay))
        yield Plan(tuple(faults), chance.choice(BEHAVIOURS), chance.choice(MODES), seed)
