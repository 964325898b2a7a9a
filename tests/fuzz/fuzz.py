#!/usr/bin/env python3
"""Runs libFuzzer's programs of build/fuzz and tells what each did. ./dev fuzz builds them first.

    fuzz.py [TARGET…] [--seconds N | --runs N] [--jobs N] [--fast] [--built]

--fast: without the sanitizers, for very many executions; they then take whatever taught something.
--built: only what is built of the source as it is now, without keeping what is learnt; else 77.
What is learnt stays in build/fuzz/corpus, what breaks something in build/fuzz/findings.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests", "fuzz")
BUILD = os.path.join(ROOT, "build", "fuzz")
FINDINGS = os.path.join(BUILD, "findings")
FAST_BUILD = os.path.join(ROOT, "build", "fuzz-fast")
INPUT_BYTES_MAX = 4096
FAST_INPUT_BYTES_MAX = 1024
INPUT_SECONDS_MAX = 10
MEMORY_MIB_MAX = 2048


def known_targets():
    return sorted(name[:-4] for name in os.listdir(HERE) if name.endswith(".cpp"))


def newest_source():
    newest = 0.0
    for folder in ("rules", "engine", os.path.join("tests", "fuzz"), os.path.join("tests", "support")):
        for where, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in names:
                if name.endswith((".cpp", ".hpp")):
                    newest = max(newest, os.path.getmtime(os.path.join(where, name)))
    return newest


def why_not_built(options):
    builds = [BUILD, FAST_BUILD] if options.fast else [BUILD]
    for program in (os.path.join(build, "fuzz_" + target) for build in builds for target in options.targets):
        if not os.path.exists(program):
            return f"{os.path.relpath(program, ROOT)} is not there"
        if os.path.getmtime(program) < newest_source():
            return f"{os.path.relpath(program, ROOT)} is older than the source"
    return None


def command_of(target, options, learnt):
    command = [
        os.path.join(FAST_BUILD if options.fast else BUILD, "fuzz_" + target),
        learnt,
        os.path.join(HERE, "corpus", target),
        f"-max_len={FAST_INPUT_BYTES_MAX if options.fast else INPUT_BYTES_MAX}",
        f"-timeout={INPUT_SECONDS_MAX}",
        f"-rss_limit_mb={MEMORY_MIB_MAX}",
        f"-artifact_prefix={FINDINGS}/{target}-",
        "-print_final_stats=1",
    ]
    if options.fast:
        command.append("-entropic=0")
    if options.runs is not None:
        command.append(f"-runs={options.runs}")
    else:
        command.append(f"-max_total_time={options.seconds}")
    dictionary = os.path.join(HERE, "dictionaries", target + ".dict")
    if os.path.exists(dictionary):
        command.append(f"-dict={dictionary}")
    return command


def last_number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def run(command, log):
    """Its exit code and what it said."""
    with open(log, "w+", errors="replace", encoding="utf-8") as out:
        code = subprocess.run(command, cwd=ROOT, stdout=out, stderr=out, check=False).returncode
        out.seek(0)
        return code, out.read()


def fuzz(target, options):
    """Runs one target to its end: its line of the table, and what it found."""
    learnt = os.path.join(tempfile.mkdtemp() if options.built else os.path.join(BUILD, "corpus"), target)
    os.makedirs(learnt, exist_ok=True)
    log = os.path.join(BUILD, f"{target}.log")
    begun = time.monotonic()
    code, said = run(command_of(target, options, learnt), log)
    executions = last_number(r"stat::number_of_executed_units: (\d+)", said) or last_number(r"#(\d+)\t", said)
    line = "%-11s %12d %9.0f %8d %9d" % (
        target,
        executions,
        time.monotonic() - begun,
        last_number(r"cov: (\d+)", said),
        last_number(r"ft: (\d+)", said),
    )
    if code == 0 and options.fast:
        replay = argparse.Namespace(fast=False, runs=0)
        log = os.path.join(BUILD, f"{target}.sanitized.log")
        code, said = run(command_of(target, replay, learnt), log)
    if code == 0:
        return line, None
    artifact = re.findall(r"Test unit written to (\S+)", said)
    problem = re.findall(r"(.*(?:invariant broken|runtime error|ERROR: ).*)", said)
    return line, (target, artifact[-1] if artifact else "", problem[0] if problem else f"exit code {code}", log)


def tell(finding):
    target, artifact, problem, log = finding
    print(f"\nfuzz: {target}: {problem}")
    print(f"     The whole log: {os.path.relpath(log, ROOT)}")
    if artifact:
        print(f"     Again: build/fuzz/fuzz_{target} {os.path.relpath(artifact, ROOT)}")
        print(f"     When it is mended, keep it: tests/fuzz/corpus/{target}/<what it was>")


def arguments():
    parser = argparse.ArgumentParser(prog="./dev fuzz", description="Fuzzes what parses, with libFuzzer.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="of: " + ", ".join(known_targets()))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--runs", type=int, help="executions of each target, instead of seconds")
    parser.add_argument("--jobs", type=int, default=1, help="targets at the same time (default: 1)")
    parser.add_argument("--fast", action="store_true", help="without the sanitizers, which then take what was learnt")
    parser.add_argument("--built", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.targets = options.targets or known_targets()
    for target in options.targets:
        if target not in known_targets():
            parser.error(f"there is no target '{target}'; there are {', '.join(known_targets())}")
    return options


def main():
    options = arguments()
    if why := why_not_built(options):
        print(f"skipped: {why}; ./dev fuzz builds it")
        return 77
    os.makedirs(FINDINGS, exist_ok=True)
    print("target        executions   seconds    edges  features", flush=True)
    findings = []
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
        for line, finding in pool.map(lambda target: fuzz(target, options), options.targets):
            print(line, flush=True)
            if finding:
                findings.append(finding)
    for finding in findings:
        tell(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
