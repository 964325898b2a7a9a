"""What rollbackd and rollbackctl say about themselves in --help, as data: verbs, options and what they take."""

import dataclasses
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("ROLLBACKD_BUILD", ROOT / "build/release"))
PROGRAMS = ("rollbackd", "rollbackctl")

OPTION = re.compile(r"^  (-\S+(?:,-\S+)*)((?: \S+)*?)(?:\s{2,}(.*))?$")
NAMED = re.compile(r"^  (\S+)((?: \S+)*?)(?:\s{2,}(.*))?$")
CONTINUED = re.compile(r"^ {20,}(\S.*)$")


@dataclasses.dataclass
class Option:
    names: list  # "--json"
    takes: str  # "TEXT"; empty: it is a flag
    help: str
    repeats: bool = False

    @property
    def name(self):
        return self.names[-1]


@dataclasses.dataclass
class Verb:
    words: list  # [] is the program itself
    help: str
    options: list = dataclasses.field(default_factory=list)
    positionals: list = dataclasses.field(default_factory=list)
    verbs: list = dataclasses.field(default_factory=list)

    @property
    def name(self):
        return " ".join(self.words)


def help_of(program, words):
    command = [BUILD / program, *words, "--help"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def sections_of(text):
    """The lines of each section of a help, each with the lines that continue it."""
    sections, here = {"": []}, ""
    for line in text.splitlines():
        heading = re.match(r"^(\w+):$", line)
        more = CONTINUED.match(line)
        if heading:
            here = heading.group(1)
            sections[here] = []
        elif more and here and sections[here]:
            sections[here][-1] += "  " + more.group(1)
        elif line.strip():
            sections[here].append(line)
    return sections


def option_of(line):
    names, takes, words = OPTION.match(line).groups()
    takes = takes.replace(" REQUIRED", "").strip()
    return Option(names.split(","), takes.replace(" ...", ""), (words or "").strip(), "..." in takes)


def read(program, words=()):
    """A program, or a verb of it, with all its verbs."""
    sections = sections_of(help_of(program, words))
    verb = Verb(list(words), sections[""][0])
    verb.options = [option_of(line) for line in sections.get("Options", [])]
    for line in sections.get("Positionals", []):
        name, _, about = NAMED.match(line).groups()
        verb.positionals.append((name, (about or "").strip()))
    for line in sections.get("Subcommands", []):
        name, _, about = NAMED.match(line).groups()
        child = read(program, (*words, name))
        child.help = (about or "").strip()
        verb.verbs.append(child)
    return verb


def all_verbs(verb):
    yield verb
    for child in verb.verbs:
        yield from all_verbs(child)
