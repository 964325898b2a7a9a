#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/telemetry/metrics.hpp"

// What the tests of the metrics have in common.
namespace rollbackd::engine {

class FakeView final : public View {
 public:
  [[nodiscard]] std::optional<rules::CheckView> check(
      const rules::DeploymentId& /*id*/) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::vector<rules::ServiceView> services() const override { return all; }
  [[nodiscard]] bool has_windows() const override { return true; }
  [[nodiscard]] bool is_complete() const override { return true; }
  [[nodiscard]] rules::Second as_of() const override { return 1'765'809'300; }
  [[nodiscard]] std::size_t active_rollbacks() const override { return 1; }
  [[nodiscard]] EarlyEvents early_events() const override { return {}; }
  [[nodiscard]] const std::optional<rules::ControlRead>& control() const override {
    return control_read;
  }
  std::optional<rules::ControlRead> control_read;

  std::vector<rules::ServiceView> all{
      {{"production", "api"}, {}, "v2", 8.5, 42, rules::State::firing, 0.25}};
};

inline bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

inline rules::Commit commit_of(rules::JournalEntry entry) {
  rules::Commit commit;
  commit.entries.push_back(std::move(entry));
  return commit;
}

inline rules::Rollback some_rollback() {
  rules::Rollback rollback;
  rollback.id = rules::EventId{{1}};
  rollback.deployment = rules::DeploymentId{{2}};
  rollback.service = {"production", "api"};
  rollback.decided_at = rules::instant_of(1000);
  return rollback;
}

}  // namespace rollbackd::engine
