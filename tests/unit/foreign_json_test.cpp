#include "engine/foreign_json.hpp"

#include <doctest/doctest.h>

#include "engine/http/json.hpp"
#include "tests/support/api_kit.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

constexpr const char* id = "11111111-2222-3333-4444-555555555555";

// A row as PostgreSQL writes it.
std::string row_with(const std::string& metadata) {
  return std::string{R"({"deployment_id":")"} + id + R"(","event_id":")" + id +
         R"(","environment":"production","service":null,"status":"failed","metadata":)" + metadata +
         "}";
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("foreign json: numbers beyond a double are texts, and nothing else is touched") {
  CHECK(foreign_json(R"({"a":1e400,"b":[-1e999,1e5]})") ==
        json{{"a", "1e400"}, {"b", {"-1e999", 1e5}}});
  const std::string digits = "1" + std::string(400, '0');
  CHECK(foreign_json("[" + digits + "]") == json::array({digits}));
  CHECK(foreign_json(R"(["1e400 \" 1e400"])") == json::array({"1e400 \" 1e400"}));
  CHECK(with_readable_numbers(R"( {"1e400": [1e400 , "\\"]} )") ==
        R"( {"1e400": ["1e400" , "\\"]} )");
  for (const char* none : {"", "{", "\"", "\"\\", "[1e400", "nul", "1e400 1"}) {
    CAPTURE(none);
    CHECK(foreign_json(none).is_discarded());
  }
}

TEST_CASE("foreign json: what is nested too deeply is left out, and the rest stays") {
  const auto whole = foreign_json(R"({"deep":)" + nested(100'000) + R"(,"kept":1})");
  CHECK(whole["kept"] == 1);
  CHECK(whole.dump().size() < 3 * foreign_depth_max);
  CHECK(foreign_json(nested(foreign_depth_max)).dump() == nested(foreign_depth_max));
}

TEST_CASE("foreign json: the row of a deployment or a rollback is answered whatever is in it") {
  const tests::EmptyView view;
  for (const std::string& metadata :
       {std::string{"null"}, std::string{R"({"n":1e400})"}, "[1" + std::string(400, '0') + "]",
        nested(20'000), std::string{R"("text")"}}) {
    CAPTURE(metadata.substr(0, 20));
    const std::string row = row_with(metadata);
    const json told = json::parse(deployments_json("[" + row + "]", view, {}, nullptr));
    CHECK(told["deployments"][0]["deployment_id"] == id);
    CHECK(changed_deployment(row, "failed").status == 200);
    CHECK(changed_deployment(row, "success").status == 409);
    CHECK(json::parse(event_json(row, view))["status"] == "failed");
    CHECK(is_over(row));
    CHECK(json::accept(event_answer(row).body));
  }
}

}  // namespace rollbackd::engine
