#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/terminal/deployment_text.hpp"
#include "engine/terminal/near.hpp"
#include "engine/terminal/reason_text.hpp"
#include "engine/terminal/rollback_text.hpp"
#include "engine/terminal/screen.hpp"

namespace rollbackd::terminal {

using nlohmann::json;

TEST_CASE("terminal: every reason has a meaning") {
  for (const rules::Reason reason : rules::all_reasons()) {
    CHECK_MESSAGE(!text_of(reason).meaning.empty(), rules::name_of(reason));
  }
}

TEST_CASE("terminal: times as PostgreSQL and as we write them") {
  CHECK(moment_of("2025-12-15T14:35:00.5+00:00") == moment_of("2025-12-15T14:35:00.500000Z"));
  CHECK(moment_of("2025-12-15T14:35:00+00:00") == moment_of("2025-12-15T14:35:00Z"));
  CHECK_FALSE(moment_of("").has_value());
  CHECK_FALSE(moment_of("yesterday").has_value());
  CHECK(length_text(rules::Duration{53'000}) == "53 ms");
  CHECK(length_text(rules::Duration{4'430'000}) == "4.4 s");
  CHECK(length_text(rules::minutes{2} + rules::seconds{5}) == "2 min 5 s");
}

TEST_CASE("terminal: what comes near is first what a slip of the fingers makes of it") {
  const json known{{{"version", "v1.0.0"}, {"deployment_id", "aaaa"}},
                   {{"version", "v2.5.3"}, {"deployment_id", "bbbb"}},
                   {{"event_id", "cccc1111"}, {"status", "failed"}}};
  CHECK(near_matches("v2.5.4", known).front().starts_with("v2.5.3  bbbb"));
  CHECK(near_matches("vv2.5.3", known).front().starts_with("v2.5.3"));
  CHECK(near_matches("cccc2", known).front().starts_with("rollback cccc1111"));
  CHECK(near_matches("x", json::array()).empty());
}

TEST_CASE("terminal: a line is cut to the columns that there are, colours not counted") {
  CHECK(fitted("", 5) == "");
  CHECK(fitted("exact", 5) == "exact");
  CHECK(fitted("too long", 5) == "too …");
  CHECK(fitted("ÄÖÜäöü", 4) == "ÄÖÜ…");
  CHECK(fitted("\033[31mred\033[0m and", 6) == "\033[31mred\033[0m a\033[0m…");
  CHECK(fitted("\033[31mred\033[0m", 3) == "\033[31mred\033[0m");
  CHECK(fitted("ab", 1) == "…");
}

TEST_CASE(
    "terminal: rows of any shape are told, and nothing in them reaches the terminal's controls") {
  const std::vector<json> odd{json::object(), json{{"rollback_plan", nullptr}},
                              json{{"rollback_steps", {"x", 7, nullptr}}},
                              json{{"constitutional_validation",
                                    {{"compliant", "yes"}, {"checks", {1, "x", json::object()}}}}},
                              json{{"rollback_plan", {{"evidence", 5}, {"target", "x"}}},
                                   {"metadata", {{"approved", 5}, {"overrides", {7}}}},
                                   {"snapshots", {{{"table_counts", {{"t", "x"}}}}, 5}},
                                   {"sample_errors", {{{"message", "\033[2Jgone\n"}}}},
                                   {"notifications", {5}},
                                   {"decisions", {{{"description", "\033]0;x\a"}}}}}};
  for (const json& row : odd) {
    CAPTURE(row.dump());
    CHECK(rollback_text(row).find('\033') == std::string::npos);
  }
  CHECK(deployment_text(json::object(), json::array()).find("has not been deployed yet") !=
        std::string::npos);
}

}  // namespace rollbackd::terminal
