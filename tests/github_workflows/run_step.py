#!/usr/bin/env python3
"""Runs one step of a workflow of config/github for real, with the environment that it is started in:
run_step.py rollback.yml 'Is it still wanted?'. What it writes to GITHUB_OUTPUT is printed behind its own output."""

import os
import subprocess
import sys
import tempfile

from actions import load, steps_of


def main():
    name, wanted = sys.argv[1:]
    scripts = [step["run"] for _, step in steps_of(load(name)) if step["name"] == wanted]
    if len(scripts) != 1:
        sys.exit(f"{name} has {len(scripts)} steps '{wanted}'")
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as outputs:
        environment = {**os.environ, "GITHUB_OUTPUT": outputs.name}
        ended = subprocess.run(["bash", "-eo", "pipefail", "-c", scripts[0]], env=environment, check=False)
        sys.stdout.write(outputs.read())
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
