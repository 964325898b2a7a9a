// Rows of the tables on their way to people: what they wrote into metadata, and texts that an older
// table lets be null. Input: whatever stands in a row's columns, a JSON value on each line; what is
// missing is null.

#include <nlohmann/json.hpp>

#include "engine/discord/texts.hpp"
#include "engine/foreign_json.hpp"
#include "engine/http/json.hpp"
#include "engine/utf8.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/promises.hpp"
#include "tests/support/api_kit.hpp"

namespace rollbackd::fuzz {
namespace {

using nlohmann::json;

constexpr const char* known = "11111111-2222-3333-4444-555555555555";

// As PostgreSQL writes a row: the columns' values as they are.
class Row {
 public:
  Row& add(std::string_view key, std::string_view value) {
    text_ += (text_.empty() ? "{\"" : ",\"") + std::string{key} + "\":" + std::string{value};
    return *this;
  }
  [[nodiscard]] std::string text() const { return text_ + '}'; }

 private:
  std::string text_;
};

// A value as a column may hold it: any JSON on one line, without the NUL that ends it for one
// parser and not for the other.
std::string value_in(std::string_view& input) {
  const std::string_view line = take_part(input);
  const bool is_value =
      line.find('\0') == std::string_view::npos && !engine::foreign_json(line).is_discarded();
  return is_value ? std::string{line} : "null";
}

// A text or null.
std::string text_in(std::string_view& input) {
  const std::string value = value_in(input);
  return value.starts_with('"') ? value : "null";
}

void look_at_numbers(std::string_view input) {
  const std::string readable = engine::with_readable_numbers(input);
  INVARIANT(engine::with_readable_numbers(readable) == readable);
  // A NUL ends the text for the other parser.
  if (input.find('\0') == std::string_view::npos && json::accept(input)) {
    INVARIANT(readable == input);
    INVARIANT(is_json(engine::foreign_json(input).dump()));
  }
}

void look_at_deployment(std::string_view input) {
  const std::string environment = text_in(input);
  const std::string service = text_in(input);
  const std::string status = text_in(input);
  const std::string metadata = value_in(input);
  const std::string row = Row{}
                              .add("deployment_id", '"' + std::string{known} + '"')
                              .add("environment", environment)
                              .add("service", service)
                              .add("status", status)
                              .add("metadata", metadata)
                              .text();
  const rules::PolicyBook policies;
  const tests::EmptyView view;
  for (const rules::PolicyBook* limits :
       {static_cast<const rules::PolicyBook*>(nullptr), &policies}) {
    const json told = json::parse(engine::deployments_json('[' + row + ']', view, {}, limits));
    INVARIANT(told.at("deployments").size() == 1);
    INVARIANT(told["deployments"][0].at("deployment_id") == known);
  }
  const engine::ApiResponse changed = engine::changed_deployment(row, "failed");
  INVARIANT(changed.status == (json::parse(status) == "failed" ? 200 : 409));
  INVARIANT(is_json(changed.body));
}

void look_at_event(std::string_view input) {
  Row row;
  row.add("event_id", '"' + std::string{known} + '"');
  for (const char* column :
       {"environment", "service", "status", "trigger_type", "trigger_reason", "initiated_at"}) {
    row.add(column, text_in(input));
  }
  for (const char* column :
       {"metadata", "rollback_plan", "rollback_steps", "constitutional_validation"}) {
    row.add(column, value_in(input));
  }
  const tests::EmptyView view;
  INVARIANT(is_json(engine::event_json(row.text(), view)));
  const engine::ApiResponse answer = engine::event_answer(row.text());
  INVARIANT(answer.status >= 200 && is_json(answer.body));
  engine::is_over(row.text());
  const std::string told = engine::history_text('[' + row.text() + ',' + row.text() + ']');
  INVARIANT(engine::utf16_length(told) <= 2000 && is_utf8(told));
}

void run(std::string_view input) {
  look_at_numbers(input);
  look_at_deployment(input);
  look_at_event(input);
}

const Registered target{{"records", run}};

}  // namespace
}  // namespace rollbackd::fuzz
