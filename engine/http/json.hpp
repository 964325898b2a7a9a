#pragma once

#include <string>

#include "engine/http/route.hpp"
#include "rules/output.hpp"
#include "rules/view.hpp"

// The bodies of answers.
namespace rollbackd::engine {

std::string check_json(const rules::CheckView& view);
std::string readiness_json(const Readiness& readiness);

// A rollback as it stands, for who follows it.
std::string rollback_state_json(const rules::Rollback& rollback);

// The answer to who asked for this rollback: 200 while it is under way and after a success, else
// what became of it.
ApiResponse execution_answer(const rules::Rollback& rollback);

// The same from the row of a rollback that has ended, or that was a rejection.
ApiResponse event_answer(const std::string& row);

// The answer to a person's request that the rules did not accept, and to a dry run.
ApiResponse refused_request(const rules::Answer& answer, bool is_dry_run = false);

// 404 in exactly the original's words: its clients compare them.
ApiResponse unknown_deployment();

std::string pause_json(const rules::Pause& pause);

std::string breaker_json(const std::string& environment, bool open);

// The rows of deployments with what the windows say of those that are known: state, counts, reason;
// and beside them who leads and what forbids to act.
// `policies`: for the limits above which they are rolled back; may be null.
std::string deployments_json(const std::string& rows, const View& view, const Readiness& readiness,
                             const rules::PolicyBook* policies = nullptr);

// The row of a deployment whose status was to become this one; 409 with the event_id where a
// rollback keeps it.
ApiResponse changed_deployment(const std::string& row, const std::string& status);

// The row of a rollback with `ended_by`: what ended it, or `superseded` as soon as another
// deployment than the bad one and the replacement is current. A run that is about to deploy asks
// for it.
std::string event_json(const std::string& row, const View& view);

// Whether the row of a rollback, as the Archive gives it, is one that has ended.
bool is_over(const std::string& event_row);

}  // namespace rollbackd::engine
