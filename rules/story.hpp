#pragma once

#include "rules/output.hpp"
#include "rules/rollback.hpp"

namespace rollbackd::rules {

// The rows of ops.roman_events that tell a rollback's story, each with the ids to find it by.

RomanEvent story_of(const Rollback& rollback, std::string event_type, std::string severity,
                    std::string description);

// rollback_aborted, with who stopped it, if a person did.
RomanEvent story_of_abort(const Rollback& rollback, std::string severity, std::string description);

// Who said what, with which token.
void add_said(RomanEvent& event, const Said& said);

// rollback_step: a step ended, or one with effects begins.
RomanEvent story_of_step(const Rollback& rollback, StepName name);

// rollback_validation: severity error when rejected, with every check's outcome.
RomanEvent story_of_validation(const Rollback& rollback);

}  // namespace rollbackd::rules
