#!/usr/bin/env python3
"""Writes the completions of both programs for bash, zsh and fish from what they say in --help.

    completions.py            says whether config/completions/ is what the programs would give
    completions.py --write    writes it
"""

import sys

import program_help
import shells

FOLDER = program_help.ROOT / "config/completions"

# What can stand after an option or in the place of a positional, where the help does not say it:
# files, words, or what the daemon is asked for.
VALUES = {
    ("rollbackctl", "", "--config"): "files",
    ("rollbackctl", "check", "deployment"): "deployments",
    ("rollbackctl", "rollback", "deployment"): "deployments",
    ("rollbackctl", "gate", "deployment"): "deployments",
    ("rollbackctl", "record", "--deployment"): "deployments",
    ("rollbackctl", "show", "event"): "events",
    ("rollbackctl", "approve", "event"): "events",
    ("rollbackctl", "abort", "event"): "events",
    ("rollbackctl", "resume", "--breaker"): "environments",
    ("rollbackctl", "deployments", "--environment"): "environments",
    ("rollbackctl", "history", "--environment"): "environments",
    ("rollbackctl", "record", "--environment"): "environments",
    ("rollbackctl", "deployments", "--status"): "pending in_progress success failed rolled_back".split(),
    ("rollbackctl", "history", "--status"): "pending in_progress success failed aborted".split(),
    ("rollbackctl", "record", "--status"): "pending in_progress success failed".split(),
    ("rollbackctl", "rollback", "--override"): (
        "already_stable superseded rollback_of_rollback migration inconsistent_database unsafe_value paused"
    ).split(),
    ("rollbackd", "*", "--config"): "files",
}


def value_of(program, verb, name):
    return VALUES.get((program, verb, name)) or VALUES.get((program, "*", name)) or "nothing"


def files():
    """{path: text} of all completions."""
    made = {}
    for program in program_help.PROGRAMS:
        whole = program_help.read(program)
        for shell in shells.ALL:
            made[FOLDER / f"{program}.{shell}"] = shells.ALL[shell](program, whole, value_of)
    return made


def unused_values():
    """Rows of VALUES that name what is not there any more."""
    known = set()
    for program in program_help.PROGRAMS:
        for verb in program_help.all_verbs(program_help.read(program)):
            names = [name for option in verb.options for name in option.names]
            known |= {(program, where, name) for where in (verb.name, "*")
                      for name in names + [name for name, _ in verb.positionals]}
    return [row for row in VALUES if row not in known]


def main():
    made = files()
    if sys.argv[1:] == ["--write"]:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path, text in made.items():
            path.write_text(text)
        return 0
    wrong = [f"completions.py: nothing has {' '.join(row)} any more" for row in unused_values()]
    for path, text in made.items():
        if not path.exists() or path.read_text() != text:
            wrong.append(f"{path.relative_to(program_help.ROOT)} is not what --help says: "
                         "python3 tests/terminal/completions.py --write")
    print("\n".join(wrong) or f"completions: {len(made)} files are what --help says")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
