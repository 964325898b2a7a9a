"""What is done wrong in a run: which fault comes where, how GitHub behaves, who goes on."""

import random
from typing import NamedTuple

# How GitHub behaves, as tests/support/github/behaviours.py names it: eight kinds of trouble.
BEHAVIOURS = (
    "behaves", "fails_after_accepting", "no_run_id", "fails_and_lists_late", "two_runs", "rate_limits",
    "hangs_after_accepting", "nonsense",
)
# More that is asked of the stand-in (repository.py) by those that need it, and by some of a name of their own.
SITUATIONS = {
    "rate_limits": {"behaviour": "rate_limits", "times": 2},
    "nonsense": {"behaviour": "nonsense", "times": 2},
    # The run is listed after the look-up has been given up, and was deployed.
    "lists_too_late": {"behaviour": "fails_and_lists_late", "list_delay_ms": 4000},
    "never_ends": {"behaviour": "behaves", "stays": "in_progress"},
    "first_of_two_fails": {"behaviour": "two_runs", "hook": "false"},
}
# Who goes on: the same daemon, started again, or a second one that has been waiting.
MODES = ("restart", "standby")

# Without "steps" and "migration", which no automatic rollback has.
COMMITS = ("decision", "prepared", "claim", "started", "in_service", "end", "other")
# Where each fault is worth a run: those of the table in engine/fail_point.hpp that every rollback passes.
POINTS = (
    tuple(f"{when}_commit_{what}" for what in COMMITS for when in ("before", "after"))
    + ("journal_read", "before_gate", "after_gate", "request_leaves", "request_answered", "poll", "leadership_taken")
)
GIVEN_UP = ("hangs_without_accepting", "lists_too_late", "never_ends")
# Those that need a GitHub which refuses, is unknown or late, and which of its behaviours bring a run there.
RARE_POINTS = {
    "before_commit_unclaim": ("rate_limits", "limits_then_closes"),
    "after_commit_unclaim": ("rate_limits", "limits_then_closes"),
    "look_up": ("fails_after_accepting", "no_run_id", "fails_and_lists_late", "hangs_after_accepting", "nonsense"),
    "before_commit_late": GIVEN_UP,
    "after_commit_late": GIVEN_UP,
    "follow_late": GIVEN_UP,
    "cancel": ("lists_too_late", "never_ends"),
    "leadership_lost": (),
}
# Any of these may come with any fault.
ALL_BEHAVIOURS = BEHAVIOURS + GIVEN_UP + ("limits_then_closes", "first_of_two_fails")
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
    faults: tuple  # what follows a crash or a stop is armed in the process that goes on
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
    for behaviour in ALL_BEHAVIOURS:
        yield Plan((), behaviour, "restart")
    yield Plan((), "behaves", "standby")
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
        yield Plan(tuple(faults), chance.choice(ALL_BEHAVIOURS), chance.choice(MODES), seed)
