"""What check_layout.py must find, and what it must let pass. Run by check_layout.py --self-test."""

from dataclasses import dataclass


@dataclass
class Sample:
    claim: str
    files: dict
    expected: list  # (path, line, part of the text), in order; empty: nothing may be found

    def agrees(self, found):
        return len(found) == len(self.expected) and all(
            f[:2] == e[:2] and e[2] in f[2] for f, e in zip(found, self.expected)
        )


def good(claim, path, *lines):
    return Sample(claim, {path: "\n".join(lines) + "\n"}, [])


def bad(claim, path, line, wrong, *lines):
    return Sample(claim, {path: "\n".join(lines) + "\n"}, [(path, line, wrong)])


def include_refused(path, include):
    return bad(f"{path} may not include {include}", path, 1, "must not include", f"#include {include}")


def include_allowed(path, include):
    return good(f"{path} may include {include}", path, f"#include {include}")


def body(lines):
    return ["  work();"] * lines


REFUSED = [
    ("engine/http/api.cpp", '"engine/terminal/screen.hpp"'),
    ("engine/store/records.cpp", '"engine/doctor/finding.hpp"'),
    ("engine/doctor/doctor.cpp", '"engine/http/server.hpp"'),
    ("engine/terminal/screen.cpp", "<pqxx/pqxx>"),
    ("rules/window.cpp", "<thread>"),
    ("rules/window.cpp", "<mutex>"),
    ("rules/window.cpp", "<random>"),
    ("rules/window.cpp", "<iostream>"),
    ("rules/window.cpp", "<fstream>"),
    ("rules/window.cpp", "<ctime>"),
    ("rules/window.cpp", "<unistd.h>"),
    ("rules/window.cpp", "<fmt/format.h>"),
    ("rules/window.cpp", '"engine/ports.hpp"'),
    ("rules/window.cpp", '"window.hpp"'),
    ("rules/window.cpp", "<rules/window.hpp>"),
    ("engine/ports.cpp", '"engine/loop.hpp"'),
    ("engine/ports.cpp", '"engine/asio.hpp"'),
    ("engine/ports.cpp", '"engine/clock.hpp"'),
    ("engine/result.cpp", '"engine/database/session.hpp"'),
    ("engine/result.cpp", "<unistd.h>"),
    ("engine/settings.cpp", "<pqxx/pqxx>"),
    ("engine/settings.cpp", '"engine/http/server.hpp"'),
    ("engine/loop.cpp", '"engine/feed/feed.hpp"'),
    ("engine/loop.cpp", '"engine/database/session.hpp"'),
    ("engine/loop.cpp", '"engine/clock.hpp"'),
    ("engine/loop.cpp", '"engine/asio.hpp"'),
    ("engine/loop.cpp", "<sys/socket.h>"),
    ("engine/loop.cpp", "<fmt/format.h>"),
    ("engine/database/session.cpp", '"engine/store/journal.hpp"'),
    ("engine/outgoing/http_client.cpp", '"engine/actions/github.hpp"'),
    ("engine/outgoing/http_client.cpp", '"engine/database/session.hpp"'),
    ("engine/feed/feed.cpp", '"engine/store/journal.hpp"'),
    ("engine/discord/live_message.cpp", '"engine/http/route.hpp"'),
    ("engine/feed/feed.cpp", '"engine/loop.hpp"'),
    ("engine/feed/feed.cpp", '"engine/app.hpp"'),
    ("engine/feed/feed.cpp", "<boost/asio/post.hpp>"),
    ("engine/feed/feed.cpp", "<boost/beast/http.hpp>"),
    ("engine/feed/feed.cpp", "<boost/optional.hpp>"),
    ("engine/actions/github.cpp", "<pqxx/pqxx>"),
    ("engine/actions/github.cpp", "<curl/curl.h>"),
    ("engine/http/server.cpp", "<spdlog/spdlog.h>"),
    ("engine/http/server.cpp", "<prometheus/counter.h>"),
    ("engine/http/server.cpp", "<yaml-cpp/yaml.h>"),
    ("engine/http/server.cpp", "<CLI/CLI.hpp>"),
    ("engine/http/server.cpp", "<doctest/doctest.h>"),
    ("engine/http/server.cpp", '"tests/support/postgres.hpp"'),
    ("engine/app.cpp", "<pqxx/pqxx>"),
    ("tests/unit/window_test.cpp", "<boost/asio/post.hpp>"),
]

ALLOWED = [
    ("engine/ctl/main.cpp", '"engine/terminal/screen.hpp"'),
    ("engine/doctor/doctor.cpp", '"engine/store/schema.hpp"'),
    ("rules/window.cpp", "<vector>"),
    ("rules/window.cpp", "<chrono>"),
    ("rules/window.cpp", '"rules/window.hpp"'),
    ("engine/ports.cpp", '"engine/result.hpp"'),
    ("engine/settings.cpp", "<yaml-cpp/yaml.h>"),
    ("engine/loop.cpp", '"engine/ports.hpp"'),
    ("engine/loop.cpp", '"rules/decider.hpp"'),
    ("engine/asio.hpp", "<boost/asio/post.hpp>\n#pragma once"),
    ("engine/database/session.cpp", "<pqxx/pqxx>"),
    ("engine/feed/feed.cpp", '"engine/database/session.hpp"'),
    ("engine/feed/feed.cpp", '"engine/clock.hpp"'),
    ("engine/feed/feed.cpp", '"engine/asio.hpp"'),
    ("engine/feed/feed.cpp", "<libpq-fe.h>"),
    ("engine/feed/feed.cpp", "<sys/socket.h>"),
    ("engine/http/server.cpp", "<boost/beast/http.hpp>"),
    ("engine/app.cpp", '"engine/feed/feed.hpp"'),
    ("engine/main.cpp", '"engine/app.hpp"'),
    ("tests/unit/window_test.cpp", '"engine/feed/feed.hpp"'),
]

CALLS = [
    bad("rules read no clock", "rules/a.cpp", 2, "steady_clock", "", "auto c = std::chrono::steady_clock{};"),
    bad("rules read no environment", "rules/a.cpp", 1, "getenv", 'auto c = getenv("HOME");'),
    bad("rules print nothing", "rules/a.cpp", 1, "printf", 'void f() { std::printf("x"); }'),
    bad("one file reads the clock", "engine/http/a.cpp", 1, "reads the machine's clock",
        "auto t = std::chrono::system_clock::now();"),
    bad("an alias of a clock is one", "engine/http/a.cpp", 1, "reads the machine's clock", "auto t = Clock::now();"),
    bad("C's time is a clock", "engine/http/a.cpp", 1, "reads the machine's clock", "auto t = time(nullptr);"),
    good("clock.cpp reads the clock", "engine/clock.cpp", "auto t = std::chrono::system_clock::now();"),
    good("tests may read the clock", "tests/unit/a.cpp", "auto t = std::chrono::steady_clock::now();"),
    good("a method of that name is no clock", "engine/loop.cpp", "Instant Loop::now() { return clock_.now(); }"),
    good("a member called time is no clock", "engine/http/a.cpp", "auto t = row.time(); auto u = row->time();"),
    bad("unit tests do not sleep", "tests/unit/a.cpp", 1, "sleep_for", "void f() { std::this_thread::sleep_for(d); }"),
    bad("scenarios do not sleep", "tests/scenarios/a.cpp", 1, "usleep", "void f() { usleep(1); }"),
    bad("the simulator does not sleep", "tests/sim/a.cpp", 1, "sleep", "void f() { ::sleep (1); }"),
    good("integration tests may", "tests/integration/a.cpp", "void f() { std::this_thread::sleep_for(d); }"),
    bad("formats are constants", "engine/http/a.cpp", 1, "fmt::runtime", "auto s = fmt::format(fmt::runtime(x));"),
    good("comments and literals are no calls", "engine/http/a.cpp",
         "// steady_clock::now()", "/* time(0)", " fmt::runtime */", 'auto s = "steady_clock::now()";',
         "auto n = 100'000; auto q = '\"'; auto r = R\"x(\n#include <thread>\nClock::now())x\";"),
    bad("lines are counted through raw strings", "engine/http/a.cpp", 4, "fmt::runtime",
        'auto s = R"(', "// )", ')";', "fmt::runtime"),
    bad("leftovers in code", "engine/http/a.cpp", 1, "TO" + "DO", "// TO" + "DO: later"),
    bad("leftovers in SQL", "sql/triggers/010_a.sql", 1, "FIX" + "ME", "-- FIX" + "ME"),
    bad("leftovers in prose", "README.md", 1, "HA" + "CK", "A HA" + "CK."),
    good("a template of a file name is none", "engine/http/a.cpp", 'auto s = "/tmp/x-' + "X" * 6 + '";'),
]

SIZES = [
    bad("a header is guarded", "rules/a.hpp", 1, "#pragma once", "int f();"),
    good("a guarded header", "rules/a.hpp", "// What it is.", "#pragma once"),
    bad("a file of over 400 lines", "engine/http/a.cpp", 401, "a file of 401 lines", *["int x;"] * 401),
    good("a file of 400 lines", "engine/http/a.cpp", *["int x;"] * 400),
    bad("long SQL", "sql/triggers/010_a.sql", 401, "a file of 500 lines", *["select 1;"] * 500),
    bad("a long script", "dev", 401, "a file of 401 lines", *["true"] * 401),
    good("long prose", "README.md", *["Words."] * 500),
    bad("a function of over 70 lines", "rules/a.cpp", 2, "a function of 71 lines",
        "namespace a {", "void f() {", *body(69), "}", "}"),
    good("a function of 70 lines, twice", "rules/a.cpp", "void f() {", *body(68), "}", "int g() {", *body(68), "}"),
    bad("a method inside a class", "engine/http/a.cpp", 3, "a function of 80 lines",
        "class A final : public B {", " public:", "  [[nodiscard]] int f() const override {", *body(78), "  }", "};"),
    bad("a constructor with initialisers", "engine/http/a.cpp", 1, "a function of 83 lines",
        "A::A(int a)", "    : a_{a}, b_{[this] { f(); g(); }},", "      c_(1) {", *body(79), "}"),
    bad("a test case", "tests/unit/a.cpp", 1, "a function of 90 lines", 'TEST_CASE("a: b") {', *body(88), "}"),
    bad("a function after data", "rules/a.cpp", 5, "a function of 72 lines",
        "constexpr std::array names{", '    Name{"a", f(1)},', "};", "",
        "auto f(int a) -> std::vector<int> {", *body(70), "}"),
    bad("a named lambda", "engine/http/a.cpp", 1, "a function of 75 lines", "const auto f = [](int) {", *body(73), "};"),
    good("a long class is no function", "rules/a.cpp", "struct A {", *["  int x = f(1);"] * 100, "};"),
    good("a long table is no function", "rules/a.cpp", "const Row rows[] = {", *["  {f(1), 2},"] * 100, "};"),
    bad("long Python", "tests/style/a.py", 1, "function f", "def f():", *["    work()"] * 70),
    bad("a folder without a layer", "engine/new/a.cpp", 1, "no layer", "int x;"),
]

TYPE = "namespace rollbackd {\n\nstruct Request {\n  int a;\n};\n\n}  // namespace rollbackd\n"
HIDDEN = "namespace rollbackd {\nnamespace {\n\nstruct Request {\n  int b;\n};\n\n}  // namespace\n"
DECLARED = "namespace rollbackd {\n\nstruct Request;\n\n}  // namespace rollbackd\n"
TWIN = "a second type rollbackd::Request"

TWINS = [
    Sample("one name, one type", {"engine/http/a.cpp": TYPE, "engine/outgoing/a.cpp": TYPE},
           [("engine/outgoing/a.cpp", 3, TWIN)]),
    Sample("two tests of one program", {"tests/unit/a.cpp": TYPE, "tests/unit/b.cpp": TYPE},
           [("tests/unit/b.cpp", 3, TWIN)]),
    Sample("a test and what it tests", {"engine/http/a.cpp": TYPE, "tests/unit/b.cpp": TYPE},
           [("tests/unit/b.cpp", 3, TWIN)]),
    Sample("a test and its support", {"tests/support/a.cpp": TYPE, "tests/unit/b.cpp": TYPE},
           [("tests/unit/b.cpp", 3, TWIN)]),
    Sample("two programs of tests", {"tests/sim/a.cpp": TYPE, "tests/unit/b.cpp": TYPE}, []),
    Sample("an anonymous namespace hides", {"engine/http/a.cpp": TYPE, "engine/outgoing/a.cpp": HIDDEN}, []),
    Sample("a member's type and a specialisation have the name of another",
           {"rules/a.cpp": "struct App::Parts {\n};\nstruct std::hash<A> {\n};\nstruct std::hash<B> {\n};\n",
            "rules/b.cpp": "struct App {\n};\n"}, []),
    Sample("a declaration is no type", {"engine/http/a.cpp": TYPE, "engine/outgoing/a.cpp": DECLARED}, []),
]

SAMPLES = (
    [include_refused(*pair) for pair in REFUSED]
    + [include_allowed(*pair) for pair in ALLOWED]
    + CALLS
    + SIZES
    + TWINS
)
