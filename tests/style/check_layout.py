#!/usr/bin/env python3
"""Checks what no compiler does: who includes whom, purity of rules/, sizes, and banned calls.

    check_layout.py               every finding as file:line, what is wrong, and the remedy
    check_layout.py --self-test   proves that every rule can fail (layout_samples.py)

The layers are DESIGN's: rules <- ports <- loop, and ports <- adapters <- app <- main.
"""

import ast
import os
import re
import sys

from cpp_text import code_of, functions_of, includes_of, types_of

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("rules", "engine", "sql", "config", "grafana", "tests", ".ci")
ROOT_FILES = ("CMakeLists.txt", "dev", "README.md", "CHANGELOG.md")
LINES_MAX = 400
FUNCTION_LINES_MAX = 70

ADAPTERS = ("feed", "store", "actions", "notify", "discord", "http", "telemetry", "ctl")
SHARED = ("database", "outgoing", "terminal")  # used by adapters, know none
EXAMINERS = ("doctor",)  # look at what adapters do, from above

STANDARD = frozenset(
    """algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes
    climits clocale cmath compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef
    cstdint cstdio cstdlib cstring ctime cwchar deque exception filesystem forward_list fstream functional future
    initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory
    memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
    semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string
    string_view strstream syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map
    unordered_set utility valarray variant vector version""".split()
)
# What a pure decision needs: values, containers, algorithms. <chrono> for its durations; <cstdio> and
# <cstdlib> for invariant.hpp, which reports and aborts.
PURE = frozenset(
    """algorithm array bit bitset cctype charconv chrono climits cmath compare concepts cstddef cstdint cstdio
    cstdlib cstring deque functional initializer_list iterator limits list map memory numbers numeric optional
    queue ranges ratio set span stack string string_view tuple type_traits unordered_map unordered_set utility
    variant vector version""".split()
)
IMPURE_CALL = re.compile(
    r"\b(?:system_clock|steady_clock|high_resolution_clock|utc_clock|file_clock"
    r"|(?:f?printf|fopen|fputs|puts|getenv|s?rand|clock_gettime|gettimeofday|localtime|gmtime)(?=\s*\()"
    r"|std::(?:time|clock)(?=\s*\()|thread_local)"
)
CLOCK = re.compile(r"(?:\b\w*(?:[cC]lock|[sS]teady)\w*::now|\bclock_gettime|\bgettimeofday|\bstd::time|(?<![\w.>:])time)\s*\(")
SLEEP = re.compile(r"\b(?:sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(")
LEFTOVER = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")

# Third parties: the first part of the header's path, and the layers that may include it.
EVERY_ADAPTER = frozenset(ADAPTERS)
TESTS = frozenset(("tests",))
ANY_ENGINE = EVERY_ADAPTER | frozenset(SHARED) | {"settings", "top"} | TESTS
THIRD_PARTIES = {
    "pqxx": frozenset(("database", "feed", "store", "doctor")) | TESTS,
    "libpq-fe.h": frozenset(("database", "feed", "store")) | TESTS,
    "simdjson.h": EVERY_ADAPTER | {"ground", "top"} | TESTS,
    "nlohmann": EVERY_ADAPTER | {"ground", "outgoing", "terminal", "doctor", "top"} | TESTS,
    "fmt": ANY_ENGINE,
    "openssl": EVERY_ADAPTER | {"outgoing"} | TESTS,
    "prometheus": frozenset(("telemetry",)),
    "spdlog": frozenset(("telemetry",)),
    "yaml-cpp": frozenset(("settings", "ctl", "doctor")),
    "curl": frozenset(("outgoing",)),
    "CLI": frozenset(("ctl", "top")),
    "boost/beast": frozenset(("http",)) | TESTS,
    "boost/asio": frozenset(("asio",)),
    "boost": frozenset(("asio",)),
    "doctest": TESTS,
    "benchmark": TESTS,
}
NO_SYSTEM = frozenset(("rules", "ports", "loop", "ground"))  # no POSIX header

# Which quoted includes a layer may have, as prefixes. "ground:" is a file directly in engine/ that is
# neither top, loop, Asio nor the clock: the loop and the ground are told the time, too.
GROUND = ("rules/", "ground:")
OUTER = GROUND + ("engine/clock.hpp", "engine/asio.hpp")
MAY_INCLUDE = {
    "rules": ("rules/",),
    "asio": ("engine/asio.hpp",),
    "ports": GROUND,
    "ground": GROUND,
    "clock": GROUND + ("engine/clock.hpp",),
    "settings": GROUND,
    "loop": GROUND + ("engine/loop",),
    "top": ("rules/", "engine/"),
    "tests": ("rules/", "engine/", "tests/"),
}
MAY_INCLUDE.update({f: OUTER + (f"engine/{f}/",) for f in SHARED})
MAY_INCLUDE.update(
    {f: OUTER + (f"engine/{f}/", "engine/database/", "engine/outgoing/") for f in ADAPTERS}
)
MAY_INCLUDE["ctl"] += ("engine/terminal/",)
MAY_INCLUDE["doctor"] = MAY_INCLUDE["store"] + ("engine/doctor/", "engine/feed/", "engine/actions/")


def layer_of(path):
    """The layer of a source or header; None for a folder that nobody has put into the table yet."""
    parts = path.split("/")
    if parts[0] in ("rules", "tests"):
        return parts[0]
    if len(parts) > 2:
        return parts[1] if parts[1] in MAY_INCLUDE and parts[1] in ADAPTERS + SHARED + EXAMINERS else None
    stem = parts[1].split(".")[0]
    if stem == "main" or stem.startswith("app"):
        return "top"
    for special in ("asio", "ports", "loop", "clock", "settings"):
        if stem == special or stem.startswith(special + "_"):
            return special
    return "ground"


def check_quoted(layer, target):
    if not target.startswith(("rules/", "engine/", "tests/")):
        return 'write the path from the root of the repository: "rules/window.hpp"'
    is_ground = target.count("/") == 1 and layer_of(target) in ("ground", "ports", "settings")
    for prefix in MAY_INCLUDE[layer]:
        if target.startswith(prefix) or (prefix == "ground:" and target.startswith("engine/") and is_ground):
            return None
    allowed = ", ".join(p.replace("ground:", "engine/*.hpp of the ground") for p in MAY_INCLUDE[layer])
    return f"{layer} may include {allowed}; move what is shared down into the ground, or pass it through a port"


def check_angled(layer, path, target):
    if "/" not in target and target in STANDARD:
        if layer == "rules" and target not in PURE:
            return "rules/ does no I/O, reads no clock and knows no threads; let the engine do it"
        return None
    party = next((p for p in THIRD_PARTIES if target == p or target.startswith(p + "/")), None)
    if party == "boost/asio" and layer not in THIRD_PARTIES[party]:
        return 'include "engine/asio.hpp" instead, and add what is missing there'
    if party:
        if layer in THIRD_PARTIES[party]:
            return None
        return f"only {', '.join(sorted(THIRD_PARTIES[party]))} may include {party}; hide it behind a function there"
    if target.startswith(("rules/", "engine/", "tests/")):
        return "quote our own headers"
    if layer in NO_SYSTEM:
        return f"{layer} includes the standard library only; the system belongs into an adapter"
    return None


def check_includes(path, text, code):
    layer = layer_of(path)
    if layer is None:
        yield 1, "this folder of engine/ has no layer", "give it one in tests/style/check_layout.py"
        return
    for line, bracket, target in includes_of(text, code):
        remedy = check_quoted(layer, target) if bracket == '"' else check_angled(layer, path, target)
        if remedy:
            yield line, f"{path} must not include {bracket}{target}{'>' if bracket == '<' else bracket}", remedy


def matches(pattern, code):
    for number, line in enumerate(code.split("\n"), 1):
        match = pattern.search(line)
        if match:
            yield number, match.group(0).strip(" (")


def check_calls(path, code):
    if path.startswith("rules/") and path != "rules/invariant.hpp":
        for line, word in matches(IMPURE_CALL, code):
            yield line, f"{word} in rules/", "rules are told the time and everything else as input"
    if path.startswith("engine/") and path != "engine/clock.cpp":
        for line, word in matches(CLOCK, code):
            yield line, f"{word}() reads the machine's clock", "only engine/clock.cpp does: steady_now(), or the Clock that is passed in"
    if path.startswith(("tests/unit/", "tests/scenarios/", "tests/sim/")):
        for line, word in matches(SLEEP, code):
            yield line, f"{word}() in a test that has virtual time", "advance the time that the test owns"
    for line, _ in matches(re.compile(r"\bfmt::runtime\b"), code):
        yield line, "fmt::runtime", "format strings are constants, so that the compiler checks them"


def too_long(first, last, what):
    if last - first + 1 > FUNCTION_LINES_MAX:
        yield first, f"{what} of {last - first + 1} lines", f"at most {FUNCTION_LINES_MAX}: name its parts"


def check_cpp(path, text):
    code = code_of(text)
    yield from check_includes(path, text, code)
    yield from check_calls(path, code)
    if path.endswith(".hpp") and not re.search(r"^#pragma once$", text, re.MULTILINE):
        yield 1, "no #pragma once", "every header starts with it"
    for first, last in functions_of(code):
        yield from too_long(first, last, "a function")


def check_python(path, text):
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield error.lineno or 1, "this is no Python", str(error)
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from too_long(node.lineno, node.end_lineno, f"function {node.name}")


def check_file(path, text):
    """Findings of one file: (line, what is wrong, the remedy)."""
    is_code = path.endswith((".cpp", ".hpp", ".py", ".sql", ".sh", ".cmake")) or path in ("dev", ".ci/run")
    count = text.count("\n")
    if is_code and count > LINES_MAX:
        yield LINES_MAX + 1, f"a file of {count} lines", f"at most {LINES_MAX}: split it by theme"
    for line, word in matches(LEFTOVER, text):
        yield line, f"{word}", "do it now, or write down what is known and why it is so"
    if path.endswith((".cpp", ".hpp")):
        yield from check_cpp(path, text)
    if path.endswith(".py"):
        yield from check_python(path, text)


def check_twins(files):
    """Two types of one name in one program: the linker takes either's functions for both, in silence."""
    known = {}
    for path in sorted(p for p in files if p.endswith((".cpp", ".hpp"))):
        # Each folder of tests/ is a program of its own; all share tests/support.
        program = path.split("/")[1] if path.startswith("tests/") else ""
        for line, name in types_of(files[path], code_of(files[path])):
            for where in {program, "", "support"} if program != "support" else {program, ""}:
                if (where, name) in known:
                    remedy = f"{known[where, name]} has one, too: rename it, or give it an anonymous namespace"
                    yield path, line, f"a second type {name}", remedy
            known[program, name] = f"{path}:{line}"


def check(files):
    """Findings of {path: text}, in order of path and line."""
    findings = list(check_twins(files))
    for path, text in files.items():
        findings.extend((path, *finding) for finding in check_file(path, text))
    return sorted(findings)


def read_tree():
    files = {}
    for folder in FOLDERS:
        for where, folders, names in os.walk(os.path.join(ROOT, folder)):
            folders[:] = [f for f in folders if f != "__pycache__"]
            for name in names:
                read_into(files, os.path.join(where, name))
    for name in ROOT_FILES:
        read_into(files, os.path.join(ROOT, name))
    return files


def read_into(files, path):
    try:
        with open(path, encoding="utf-8") as file:
            files[os.path.relpath(path, ROOT).replace(os.sep, "/")] = file.read()
    except (UnicodeDecodeError, FileNotFoundError):
        pass  # a picture, or another program's temporary file


def self_test():
    import layout_samples

    failures = 0
    for sample in layout_samples.SAMPLES:
        found = [(path, line, wrong) for path, line, wrong, _ in check(sample.files)]
        if not sample.agrees(found):
            failures += 1
            print(f"self-test: {sample.claim}: expected {sample.expected}, found {found}")
    print(f"self-test: {len(layout_samples.SAMPLES)} samples, {failures} wrong")
    return 1 if failures else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    files = read_tree()
    findings = check(files)
    for path, line, wrong, remedy in findings:
        print(f"{path}:{line}: {wrong}\n    {remedy}")
    print(f"layout: {len(files)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
