#pragma once

#include "engine/ports.hpp"

namespace rollbackd::engine {

// Writes what was decided into the log, and hands everything on. Reactor thread only.
class DecisionLog final : public Observer {
 public:
  // Both have to outlive this.
  DecisionLog(Log& log, Observer& next) : log_{log}, next_{next} {}

  void took(const rules::Input& input) override { next_.took(input); }
  // One record `decision` for each explanation.
  void decided(const rules::Output& output) override;
  // One record for each event of ops.roman_events, under the same word.
  void committed(const rules::Commit& commit, rules::Duration waited) override;

 private:
  Log& log_;
  Observer& next_;
};

}  // namespace rollbackd::engine
