#!/usr/bin/env python3
"""The Spin model of a rollback, rollback.pml, in all its variants: ./dev model

    run.py [--quick] [--jobs N] [VARIANT…]   --quick leaves the very large one out; or only those named

What is built has to hold. Each variant with one safeguard left out has to fail, or that safeguard, or the model,
is worth nothing; a probe shows that the interesting end is reached at all. Exit status: 0 as expected, 1 not,
2 usage, 77 spin or gcc is not installed (ctest: skipped).
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MODEL = os.path.join(HERE, "rollback.pml")
SKIPPED = 77
MEMORY_MIB = 6000
SECONDS_MAX = 1800

# The assertion of the model that a failing variant runs into.
PROPERTIES = {
    "eff[r]<=1": "A: two deploys of one rollback",
    "r>=newest": "B: an older rollback after a newer one",
    "claims[r]>0": "C: a deploy without a claim",
    "!(paused_long)": "D: dispatched after the pause",
    "!((stale[r]&&deployed))": "E: over a newer deployment",
    "!(certain[r])": "F: deployed after a certain no",
    "r!=2": "reached: the second is deployed",
    "claims[r]<2": "reached: a second claim is deployed",
}


class Variant(NamedTuple):
    name: str
    says: str
    switches: str
    fails: str = ""  # the properties of which one must be violated: letters, or "reached"


ONE = "ROLLBACKS=1"
VARIANTS = (
    Variant("one", "one rollback: doubled runs, a deployment, a pause", f"{ONE} DOUBLES DEPLOYS PAUSES EPOCHS=2"),
    Variant("one-restarts", "one rollback: more restarts, doubled runs", f"{ONE} DOUBLES EPOCHS=4"),
    Variant("two", "two rollbacks: doubled runs", "DOUBLES EPOCHS=2"),
    Variant("two-deploys", "two rollbacks: a deployment in between", "DEPLOYS EPOCHS=2"),
    Variant("no-epoch", "the same as `two`, the epoch unchecked", "DOUBLES EPOCHS=2 NO_EPOCH"),
    Variant("no-group-alone", "nobody else deploys, no doubled runs: no group", f"{ONE} NO_GROUP"),
    Variant("journal-alone", "one rollback, no doubled runs: no help of the workflow", f"{ONE} NO_CHECKS"),
    Variant("large", "two rollbacks and everything at once", "DOUBLES DEPLOYS PAUSES EPOCHS=2"),
    Variant("claim-after", "the claim after the request, no help of the workflow", f"{ONE} NO_CHECKS CLAIM_AFTER", "C"),
    Variant("fire-again", "an unknown outcome fired again, no help of the workflow", f"{ONE} NO_CHECKS FIRE_AGAIN", "A"),
    Variant("unclaim-lost", "an unknown outcome taken for a certain no", f"{ONE} NO_CHECKS UNCLAIM_LOST", "AF"),
    Variant("no-last-look", "the pause read before the claim only", f"{ONE} PAUSES NO_LAST_LOOK", "D"),
    Variant("no-checks", "the journal and no help of the workflow", "NO_CHECKS", "B"),
    Variant("no-checks-doubles", "the same, and GitHub doubles a run", f"{ONE} NO_CHECKS DOUBLES", "A"),
    Variant("no-group", "no concurrency group", "DEPLOYS NO_GROUP", "BE"),
    Variant("no-dedup", "no look for another run of the rollback", f"{ONE} DOUBLES NO_DEDUP", "A"),
    Variant("dedup-blind", "the look comes before the run is listed", f"{ONE} DOUBLES DEDUP_BLIND", "A"),
    Variant("no-fence", "nobody is asked whether it is still current", "DOUBLES NO_FENCE", "B"),
    Variant("row-fence", "the answer knows no newer deployment", f"{ONE} DEPLOYS ROW_FENCE", "E"),
    Variant("probe", "the second rollback is deployed", "DOUBLES PROBE_SECOND", "reached"),
    Variant("probe-again", "a claim after a certain no is deployed", f"{ONE} PROBE_AGAIN", "reached"),
)
LARGE = ("large",)


class Result(NamedTuple):
    variant: Variant
    violated: str  # a text of PROPERTIES; empty: it holds
    states: int
    seconds: float
    problem: str  # it could not be searched to the end


def names_in_rules():
    """The names of StepName and RollbackStatus, as rules/rollback.cpp gives them to the database."""
    with open(os.path.join(ROOT, "rules", "rollback.cpp"), encoding="utf-8") as file:
        text = file.read()
    return sorted(set(re.findall(r'\{(?:StepName|RollbackStatus)::\w+, "(\w+)"\}', text)))


def out_of_step():
    """Names that the model lacks, or has and the rules do not."""
    with open(MODEL, encoding="utf-8") as file:
        code = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    declared = {w for part in re.findall(r"^mtype = \{([^}]*)\}", code, re.MULTILINE) for w in re.findall(r"\w+", part)}
    declared -= {"none"}
    problems = []
    for name in names_in_rules():
        used = len(re.findall(rf"\b{name}\b", code))
        if name not in declared or used < 2:
            problems.append(f"rules/rollback.cpp has '{name}', and the model does not use it")
    problems += [f"the model has '{n}', and rules/rollback.cpp does not" for n in declared - set(names_in_rules())]
    return problems


def search(variant):
    """Translates, compiles and runs one variant in a folder of its own."""
    begun = time.monotonic()

    def failed(problem):
        return Result(variant, "", 0, time.monotonic() - begun, problem)

    with tempfile.TemporaryDirectory(prefix="rollback_model.") as folder:
        switches = [f"-D{s}" for s in variant.switches.split()]
        memory = ["-DCOLLAPSE"] if variant.name in LARGE else []
        limits = ["-DSAFETY", "-DVECTORSZ=512", f"-DMEMLIM={MEMORY_MIB}"]
        commands = (
            ["spin", *switches, "-a", MODEL],
            ["gcc", "-O1", "-w", *memory, *limits, "-o", "pan", "pan.c"],
            ["./pan", "-m1000000", "-w22"],
        )
        for command in commands:
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
            except subprocess.TimeoutExpired:
                return failed(f"not done after {SECONDS_MAX} s")
            if done.returncode != 0:
                return failed(f"{command[0]}: {(done.stderr or done.stdout).strip()[-300:]}")
    out = done.stdout
    states = re.search(r"(\d+) states, stored", out)
    if "assertion violated" in out:
        text = re.search(r"assertion violated (.+) \(at depth", out).group(1)
        text = text.strip()
        text = text[1:-1] if text.startswith("(") and text.endswith(")") else text
        violated = PROPERTIES.get(text, f"an unknown assertion: {text}")
    elif "invalid end state" in re.sub(r"invalid end states\s+\+", "", out):
        violated = "a deadlock"
    else:
        violated = ""
    problem = ""
    if not violated and ("errors: 0" not in out or "max search depth too small" in out or "Search not completed" in out):
        problem = "the search did not reach its end"
    return Result(variant, violated, int(states.group(1)) if states else 0, time.monotonic() - begun, problem)


def as_expected(result):
    if result.problem:
        return False
    if not result.variant.fails:
        return not result.violated
    if result.variant.fails == "reached":
        return result.violated.startswith("reached")
    return bool(result.violated) and result.violated[0] in result.variant.fails and result.violated[1] == ":"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without the very large variant")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="searches side by side")
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help="only these: " + ", ".join(v.name for v in VARIANTS))
    options = parser.parse_args()
    unknown = set(options.variants) - {v.name for v in VARIANTS}
    if unknown:
        parser.error(f"there is no variant {', '.join(sorted(unknown))}")

    problems = out_of_step()
    for problem in problems:
        print(f"tests/model/rollback.pml: {problem}")
    for program in ("spin", "gcc"):
        if not shutil.which(program):
            print(f"skipped: {program} is not installed. ./dev setup model")
            return 1 if problems else SKIPPED

    chosen = [v for v in VARIANTS if (v.name in options.variants if options.variants else not (options.quick and v.name in LARGE))]
    print(f"{'variant':<18} {'expected':<9} {'found':<38} {'states':>11} {'seconds':>8}  what it is")
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
        for result in pool.map(search, chosen):
            v = result.variant
            expected = "holds" if not v.fails else "reached" if v.fails == "reached" else "fails"
            found = result.problem or result.violated or "holds"
            good = as_expected(result)
            wrong += not good
            print(
                f"{v.name:<18} {expected:<9} {found:<38} {result.states:>11,} {result.seconds:>8.1f}  {v.says}"
                + ("" if good else "   <-- NOT AS EXPECTED"),
                flush=True,
            )
    print(f"{len(chosen)} variants, {wrong} not as expected" + (", and the model is out of step with the rules" if problems else ""))
    return 1 if wrong or problems else 0


if __name__ == "__main__":
    sys.exit(main())
