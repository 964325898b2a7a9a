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

// What was wrong with one key is told of no other, so that each that is there has a body of its
// own; what is not there is asked of this one: reading is what takes the time.
template <class Look>
void ask(engine::JsonBody& shared, std::string_view input, const json& whole, const char* key,
         Look look) {
  const json expected = value_of(whole, key);
  if (expected.is_null()) {
    return look(shared, expected);
  }
  engine::JsonBody own{input};
  look(own, expected);
}

void look_at_text(engine::JsonBody& body, const json& expected) {
  const auto text = body.text("reason");
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

void look_at_flag(engine::JsonBody& body, const json& expected) {
  const bool flag = body.flag("dry_run");
  INVARIANT(!body.is_good() || flag == (expected == true));
}

void look_at_list(engine::JsonBody& body, const json& expected) {
  const auto texts = body.texts("override");
  INVARIANT(!body.is_good() || (expected.is_null() ? texts.empty() : expected == json(texts)));
}

void look_at_id(engine::JsonBody& body, const json& expected) {
  const auto id = body.id<rules::DeploymentId>("deployment_id");
  if (body.is_good() && id) {
    INVARIANT(expected.get<std::string>().size() == id->text().size());
  } else if (!body.is_good()) {
    look_at_complaint(body);
  }
}

void look_at_person(engine::JsonBody& body, const json& expected) {
  const std::string person = body.person();
  INVARIANT(!body.is_good() || person.empty() || rules::EventId::parse(person));
  INVARIANT(!body.is_good() || person.empty() == (expected.is_null() || expected == ""));
}

void run(std::string_view input) {
  engine::JsonBody body{input};
  if (!body.is_good()) {
    look_at_complaint(body);
    return;
  }
  // What was checked by the one is read again by the other where it goes through the database.
  const json whole = json::parse(input, nullptr, false);
  INVARIANT(!whole.is_discarded());
  ask(body, input, whole, "reason", look_at_text);
  ask(body, input, whole, "dry_run", look_at_flag);
  ask(body, input, whole, "override", look_at_list);
  ask(body, input, whole, "deployment_id", look_at_id);
  ask(body, input, whole, "initiated_by", look_at_person);
}

const Registered target{{"json", run}};

}  // namespace
}  // namespace rollbackd::fuzz
