#pragma once

#include <array>
#include <bitset>
#include <map>
#include <string>
#include <utility>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "rules/output.hpp"

namespace rollbackd::engine {

// Counts rollbacks as the journal has them: each beginning, step, dispatch and end once, however
// often its row is written. Reactor thread only.
class RollbackMetrics {
 public:
  explicit RollbackMetrics(prometheus::Registry& registry);

  // What was counted before stays counted.
  void begin_from(const rules::JournalRead& journal);
  void ended(const rules::DeployEnded& deploy);
  void committed(const rules::Commit& commit);

 private:
  using Counter = prometheus::Counter*;
  using Histogram = prometheus::Histogram*;

  // How far a rollback has been counted.
  struct Open {
    std::string executor;
    int claims = 0;
    std::bitset<rules::step_count> steps;
  };
  struct Deploys {
    Counter dispatched = nullptr;
    std::map<rules::DeployOutcome, Counter> failed;
  };

  void count(const rules::PutRollback& put);
  void count_progress(const rules::Rollback& rollback, Open& open);
  void count_end(const rules::Rollback& rollback);
  void count(const rules::Validation& validation);
  static Open counted_so_far(const rules::Rollback& rollback);

  std::map<rules::TriggerType, Counter> started_;
  std::map<std::pair<rules::RollbackStatus, rules::Reason>, Counter> ended_;
  prometheus::Gauge* last_ = nullptr;
  Histogram recovered_ = nullptr;
  std::array<Histogram, rules::step_count> steps_{};
  std::array<Counter, rules::step_count> steps_failed_{};
  std::map<std::string, Deploys> deploys_;  // by executor
  Counter validations_ = nullptr;
  Counter refused_ = nullptr;
  std::map<std::pair<rules::Reason, rules::Outcome>, Counter> laws_;

  std::map<rules::EventId, Open> open_;
};

}  // namespace rollbackd::engine
