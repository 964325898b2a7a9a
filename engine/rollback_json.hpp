#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "engine/result.hpp"
#include "rules/output.hpp"
#include "rules/rollback.hpp"

namespace rollbackd::engine {

// The JSON columns of ops.rollback_events. What plan, steps, validation and metadata hold together
// is all that rules::Rollback holds beside the plain columns; reading gives back what was written.

nlohmann::json json_of(const rules::Fields& fields);
// Of a JSON array of names; those that are no reasons of ours are left out.
std::vector<rules::Reason> reasons_of(const nlohmann::json& names);
nlohmann::json plan_json(const rules::Rollback& rollback);
nlohmann::json steps_json(const rules::Rollback& rollback);
// null: there is none.
nlohmann::json target_json(const std::optional<rules::Target>& target);
nlohmann::json validation_json(const rules::Validation& validation);
nlohmann::json metadata_json(const rules::Rollback& rollback);

// ops.outbox.payload: what a channel needs to write its message.
nlohmann::json alert_json(const rules::Alert& alert);

// The JSON columns as text. Fills all of `rollback` that is not a plain column.
Status read_rollback_json(const std::string& plan, const std::string& steps,
                          const std::string& validation, const std::string& metadata,
                          rules::Rollback& rollback);

}  // namespace rollbackd::engine
