#!/usr/bin/env python3
"""Whether the manual pages say what the programs do: every verb, flag and key, and no other; and without a fault.

    man_pages.py        exit status 77: mandoc is not installed
"""

import re
import shutil
import subprocess
import sys

import program_help

ROOT = program_help.ROOT
FOLDER = ROOT / "config/man"
PAGES = {"rollbackd": FOLDER / "rollbackd.8", "rollbackctl": FOLDER / "rollbackctl.1"}
KEYS = FOLDER / "rollbackd.yaml.5"

# Keys that are names of sections, or of their own kind, and stand in the page only with what is in them.
SECTIONS = {"database", "http", "feed", "rollback", "notify", "discord", "metrics", "retention", "log"}
STRUCTURAL = re.compile(r"(?:Section\s*(?:\w+)?\s*\{[^{]*?|_keys)\{((?:\s*\"\w+\"\s*,?)+)\}", re.DOTALL)
HIDDEN = {"complete"}


def differences(where, said, done):
    for name in sorted(done - said):
        yield f"{where}: {name} is not in the page"
    for name in sorted(said - done):
        yield f"{where}: the page has {name}, which is not there"


def flags_in(text):
    """`Fl Fl name` and `Fl h` of mdoc."""
    return {f"--{name}" for name in re.findall(r"Fl Fl ([\w-]+)", text)} | {
        f"-{name}" for name in re.findall(r"(?<!Fl )Fl (\w)\b", text)}


def check_program(program):
    text = PAGES[program].read_text()
    verbs = list(program_help.all_verbs(program_help.read(program)))
    flags = {name for verb in verbs for option in verb.options for name in option.names}
    yield from differences(PAGES[program].name, flags_in(text), flags)
    named = set(re.findall(r"^\.(?:It )?(?:Ic|Cm) ([a-z][a-z-]+)", text, re.MULTILINE))
    words = {word for verb in verbs for word in verb.words}
    missing = words - named
    for word in sorted(missing):
        yield f"{PAGES[program].name}: the verb {word} is not in the page"
    for word in sorted(set(re.findall(r"^\.It (?:Ic|Cm) ([a-z][a-z-]+)", text, re.MULTILINE)) - words):
        yield f"{PAGES[program].name}: there is no verb {word}"
    for verb in verbs:
        for name, _ in verb.positionals:
            if f"Ar {name}" not in text:
                yield f"{PAGES[program].name}: {verb.name} takes {name}, which is not in the page"


def keys_read():
    """The names of the keys that the configuration's reader knows, as its sources list them."""
    names = set()
    for path in sorted((ROOT / "engine").glob("settings*.cpp")):
        for listed in STRUCTURAL.findall(path.read_text()):
            names |= set(re.findall(r"\"(\w+)\"", listed))
    return names


def check_keys():
    items = re.split(r"^\.It Cm ", KEYS.read_text().split(".Sh DEFAULT TRIGGERS")[0], flags=re.MULTILINE)[1:]
    said = set()
    for item in items:
        head, body = item.split("\n", 1)
        paths = head.split(" , ")
        said |= {part for path in paths for part in path.split(".")}
        if not re.search(r"\bdefault\b", body, re.IGNORECASE):
            yield f"{KEYS.name}: {head} does not say its default"
        if "duration" in body.lower() and not re.search(r"\d+(ms|s|m|h|d)\b", body):
            yield f"{KEYS.name}: {head} does not say its unit"
    yield from differences(KEYS.name, said - SECTIONS, keys_read() - SECTIONS)


def check_language():
    pages = [*PAGES.values(), KEYS]
    lint = subprocess.run(["mandoc", "-T", "lint", *pages], capture_output=True, text=True).stdout
    for line in lint.splitlines():
        if "referenced manual not found" not in line:  # it is, where they are installed
            yield line
    if shutil.which("man"):
        for page in pages:
            done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True,
                                  env={"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"})
            for line in done.stderr.splitlines():
                yield f"man: {page.name}: {line}"


def main():
    if not shutil.which("mandoc"):
        print("skipped: mandoc is not installed; ./dev setup test installs it")
        return 77
    wrong = [*check_program("rollbackd"), *check_program("rollbackctl"), *check_keys(), *check_language()]
    print("\n".join(wrong) or f"man pages: {len(keys_read())} keys, no difference")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
