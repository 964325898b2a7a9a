#include "tests/bench/feed/report.hpp"

#include <cstdio>

#include <fmt/format.h>

namespace rollbackd::tests {

std::string text_of(double value, int decimals) { return fmt::format("{:.{}f}", value, decimals); }

Report::Report() { line("what", "figure", "aim", "", "over"); }

void Report::line(const std::string& what, const std::string& figure, const std::string& aim,
                  const std::string& verdict, const std::string& runs) {
  fmt::print("{:<66} {:>13} {:>11} {:<6} {}\n", what, figure, aim, verdict, runs);
  std::fflush(stdout);
}

void Report::heading(const std::string& text) {
  fmt::print("\n{}\n", text);
  std::fflush(stdout);
}

void Report::at_least(const std::string& what, double figure, double aim, const std::string& runs) {
  const bool met = figure >= aim;
  ++(met ? met_ : missed_);
  line(what, text_of(figure, 3), ">= " + text_of(aim, 2), met ? "ok" : "MISSED", runs);
}

void Report::at_most(const std::string& what, double figure, double aim, const std::string& unit,
                     const std::string& runs) {
  const bool met = figure <= aim;
  ++(met ? met_ : missed_);
  line(what, text_of(figure, figure < 10 ? 2 : 0) + " " + unit, "<= " + text_of(aim, 0),
       met ? "ok" : "MISSED", runs);
}

void Report::must(const std::string& what, bool holds, const std::string& figure,
                  const std::string& runs) {
  ++(holds ? met_ : missed_);
  line(what, figure, "must", holds ? "ok" : "MISSED", runs);
}

void Report::tell(const std::string& what, const std::string& figure, const std::string& runs) {
  line(what, figure, "", "", runs);
}

int Report::close() {
  fmt::print("\n{} aims met, {} missed\n", met_, missed_);
  return missed_;
}

}  // namespace rollbackd::tests
