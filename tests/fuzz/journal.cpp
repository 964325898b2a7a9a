// A rollback's row as the daemon reads it back after a crash, and as the API shows it; people can
// have changed its JSON. Input: plan, steps, validation and metadata, a line each.

#include <nlohmann/json.hpp>

#include "engine/http/json.hpp"
#include "engine/rollback_json.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/promises.hpp"
#include "tests/support/api_kit.hpp"

namespace rollbackd::fuzz {
namespace {

using nlohmann::json;

std::string written(const json& value) { return value.dump(); }

// What was read and is written comes back: the next daemon knows what this one knew.
void write_and_read(const rules::Rollback& rollback) {
  rules::Rollback again;
  const engine::Status read = engine::read_rollback_json(
      written(engine::plan_json(rollback)), written(engine::steps_json(rollback)),
      written(engine::validation_json(rollback.validation)),
      written(engine::metadata_json(rollback)), again);
  INVARIANT(read && again == rollback);
}

void look_at_row(std::string_view plan, std::string_view metadata) {
  for (const std::string_view status : {"in_progress", "success"}) {
    json row{{"event_id", "99999999-2222-3333-4444-555555555555"}, {"status", status}};
    row["rollback_plan"] = json::parse(plan, nullptr, false);
    row["metadata"] = json::parse(metadata, nullptr, false);
    if (row["rollback_plan"].is_discarded() || row["metadata"].is_discarded()) {
      return;
    }
    const std::string text = written(row);
    INVARIANT(is_json(engine::event_json(text, tests::EmptyView{})));
    INVARIANT(engine::is_over(text) == (status == "success"));
  }
}

void run(std::string_view input) {
  const std::string plan{take_part(input)};
  const std::string steps{take_part(input)};
  const std::string validation{take_part(input)};
  const std::string metadata{take_part(input)};
  rules::Rollback rollback;
  const engine::Status read =
      engine::read_rollback_json(plan, steps, validation, metadata, rollback);
  if (read) {
    write_and_read(rollback);
    INVARIANT(is_json(engine::rollback_state_json(rollback)));
    INVARIANT(is_json(written(engine::alert_json({rules::AlertKind::failed, rollback}))));
    INVARIANT(is_json(engine::execution_answer(rollback).body));
  } else {
    INVARIANT(!read.error().what.empty() && !read.error().remedy.empty());
  }
  look_at_row(plan, metadata);
}

const Registered target{{"journal", run}};

}  // namespace
}  // namespace rollbackd::fuzz
