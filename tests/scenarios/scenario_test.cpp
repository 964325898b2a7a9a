#include "tests/scenarios/scenario.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

namespace {

constexpr const char* separator = "---\n";

std::string contents(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("each scenario ends as its golden text tells") {
  const auto folder = std::filesystem::path{ROLLBACKD_SOURCE_DIR} / "tests" / "scenarios";
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    if (entry.path().extension() != ".txt") {
      continue;
    }
    ++seen;
    CAPTURE(entry.path().filename().string());
    const std::string text = contents(entry.path());
    const auto split = text.find(separator);
    const std::string script = text.substr(0, split);
    const std::string told = rollbackd::tests::tell_scenario(script);
    if (std::getenv("REWRITE") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
      std::ofstream{entry.path()} << script << separator << told;
      continue;
    }
    const std::string expected =
        split == std::string::npos ? "" : text.substr(split + std::string{separator}.size());
    CHECK(told == expected);
  }
  CHECK(seen >= 10);
}
