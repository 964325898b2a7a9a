"""Builds rollbackd_torture with planted_bugs.patch, from a copy of the source: the mistakes are in no program that
people run, and in no file that they read."""

import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PATCH = HERE / "planted_bugs.patch"
COPY = ROOT / "build/planted/source"
PARTS = ("CMakeLists.txt", "CMakePresets.json", "engine", "rules", "sql", "tests", "config")


def copy(part):
    """Only what differs, so that little is compiled again."""
    files = [ROOT / part] if (ROOT / part).is_file() else (ROOT / part).rglob("*")
    for file in files:
        to = COPY / file.relative_to(ROOT)
        if file.is_file() and not (to.is_file() and to.read_bytes() == file.read_bytes()):
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, to)


def applies():
    return subprocess.run(["git", "apply", "--check", str(PATCH)], cwd=ROOT, check=False).returncode == 0


def build():
    """Gives the program."""
    for part in PARTS:
        copy(part)
    with open(PATCH, "rb") as patch:
        subprocess.run(["patch", "--strip=1", "--quiet"], cwd=COPY, stdin=patch, check=True)
    for command in (["cmake", "--preset", "release"],
                    ["cmake", "--build", "build/release", "--target", "rollbackd_torture"]):
        subprocess.run(command, cwd=COPY, check=True)
    return COPY / "build/release/rollbackd_torture"
