#include "engine/store/commit_kind.hpp"

#include <algorithm>

namespace rollbackd::engine {
namespace {

template <class Alternative, class Variants>
bool has(const Variants& variants) {
  return std::any_of(variants.begin(), variants.end(), [](const auto& variant) {
    return std::holds_alternative<Alternative>(variant);
  });
}

const rules::PutRollback* put_in(const rules::Commit& commit) {
  for (const rules::JournalEntry& entry : commit.entries) {
    if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
      return put;
    }
  }
  return nullptr;
}

}  // namespace

std::string_view commit_kind(const rules::Commit& commit) {
  if (has<rules::AmendRollback>(commit.entries) || has<rules::SettleLate>(commit.entries)) {
    return "late";
  }
  const rules::PutRollback* put = put_in(commit);
  if (put == nullptr) {
    return "other";
  }
  const rules::Rollback& rollback = put->rollback;
  if (put->is_new) {
    return rollback.is_over() ? "other" : "decision";  // a rejection is over from the start
  }
  if (rollback.is_over()) {
    return "end";
  }
  if (has<rules::MarkRolledBack>(commit.entries)) {
    return "prepared";
  }
  if (has<rules::Deploy>(commit.then)) {
    return "claim";
  }
  if (has<rules::PutInService>(commit.entries)) {
    return "in_service";
  }
  if (rollback.refused_since && !rollback.claimed_at) {
    return "unclaim";
  }
  if (rollback.step(rules::StepName::await_deploy).status == rules::StepStatus::in_progress) {
    return "started";
  }
  return "steps";
}

}  // namespace rollbackd::engine
