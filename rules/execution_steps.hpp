#pragma once

#include <string>
#include <vector>

#include "rules/execution.hpp"
#include "rules/rollback.hpp"

// What the parts of Execution do to a rollback's steps and say about them.
namespace rollbackd::rules {

void begin(Rollback& rollback, StepName name, Instant now);
void end(Rollback& rollback, StepName name, StepStatus status, Instant now, std::string error = {});
// A step that is nothing but a change of the journal begins and ends in the same transaction.
void do_at_once(Rollback& rollback, StepName name, Instant now);
void skip_the_rest(Rollback& rollback);
// Step 3 was begun, and how far it came only the database knows.
void interrupt_reverting(Rollback& rollback, Instant now);

// The row was marked, so that it has to be put back when nothing is rolled back.
bool is_marked(const Rollback& rollback);
RestoreDeployment restore(const Rollback& rollback);

// Of the steps that failed, the last one's; empty: none has one.
std::string last_error(const Rollback& rollback);
// What has to be said when nothing was deployed after migrations were reverted; empty: none were.
std::string stay_reverted(const Rollback& rollback);
std::string joined(const std::vector<std::string>& names);

// Whether what this executor dispatched can still be found and followed later.
bool can_be_followed(const std::string& executor);

}  // namespace rollbackd::rules
