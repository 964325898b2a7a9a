// Bodies of requests: what is taken out of them is what another parser finds in them.

#include <nlohmann/json.hpp>

#include "engine/http/body.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/promises.hpp"

namespace rollbackd::fuzz {
namespace {

using nlohmann::json;

// How the other parser sees a key. Of two equal ones it keeps the last.
json value_of(const json& whole, std::string_view key) {
  const auto found = whole.is_object() ? whole.find(key) : whole.end();
  return whole.is_object() && found != whole.end() ? *found : json{};
}

void look_at_complaint(const engine::JsonBody& body) {
  const engine::ApiResponse& complaint = body.complaint();
  INVARIANT(complaint.status == 400 && is_json(complaint.body));
}

void look_at_text(std::string_view input, const json& whole) {
  engine::JsonBody body{input};
  const auto text = body.text("reason");
  const json expected = value_of(whole, "reason");
  if (!body.is_good()) {
    INVARIANT(!text);
    look_at_complaint(body);
  } else if (text) {
    INVARIANT(is_utf8(*text) && text->find('\0') == std::string::npos);
    INVARIANT(expected.is_string() && expected.get<std::string>() == *text);
  } else {
    INVARIANT(expected.is_null() || expected == "");
  }
}

void look_at_others(std::string_view input, const json& whole) {
  engine::JsonBody flags{input};
  const bool flag = flags.flag("dry_run");
  INVARIANT(!flags.is_good() || flag == (value_of(whole, "dry_run") == true));
  engine::JsonBody lists{input};
  const auto texts = lists.texts("override");
  const json expected = value_of(whole, "override");
  INVARIANT(!lists.is_good() || (expected.is_null() ? texts.empty() : expected == json(texts)));
  engine::JsonBody ids{input};
  const auto id = ids.id<rules::DeploymentId>("deployment_id");
  if (ids.is_good() && id) {
    INVARIANT(value_of(whole, "deployment_id").get<std::string>().size() == id->text().size());
  } else if (!ids.is_good()) {
    look_at_complaint(ids);
  }
}

void run(std::string_view input) {
  const engine::JsonBody body{input};
  if (!body.is_good()) {
    look_at_complaint(body);
    return;
  }
  // What was checked by the one is read again by the other where it goes through the database.
  const json whole = json::parse(input, nullptr, false);
  INVARIANT(!whole.is_discarded());
  look_at_text(input, whole);
  look_at_others(input, whole);
}

const Registered target{{"json", run}};

}  // namespace
}  // namespace rollbackd::fuzz
