#pragma once

#include <map>
#include <optional>
#include <vector>

#include "engine/ports.hpp"
#include "rules/decider.hpp"

namespace rollbackd::engine {

// Feeds the rules and carries out what they say: the journal first, actions once it has committed.
// Knows no socket and no thread, so that a simulator runs the very same loop. Reactor thread only.
class Loop final : public View {
 public:
  Loop(rules::PolicyBook policies, const Clock& clock, Journal& journal, Actions& actions,
       Observer& observer);

  void take(const rules::Input& input);

  // When take(Tick) is wanted although nothing else happens.
  [[nodiscard]] std::optional<rules::Instant> wake_at() const { return decider_.wake_at(); }

  [[nodiscard]] std::optional<rules::CheckView> check(const rules::DeploymentId& id) const override;
  [[nodiscard]] std::vector<rules::ServiceView> services() const override;
  [[nodiscard]] bool has_windows() const override { return decider_.world().had_windows; }
  [[nodiscard]] bool is_complete() const override { return decider_.world().complete; }
  [[nodiscard]] rules::Second as_of() const override { return decider_.world().windows.now(); }
  [[nodiscard]] std::size_t active_rollbacks() const override {
    return decider_.active_rollbacks();
  }

  [[nodiscard]] const std::optional<rules::ControlRead>& control() const override {
    return decider_.world().control;
  }
  [[nodiscard]] EarlyEvents early_events() const override {
    const rules::Windows& windows = decider_.world().windows;
    return {windows.waiting(), windows.dropped()};
  }

  // A transaction is on its way whose outcome is not known yet.
  [[nodiscard]] bool is_writing() const { return !pending_.empty(); }

  [[nodiscard]] const rules::Decider& decider() const { return decider_; }

 private:
  struct Pending {
    rules::Commit commit;
    rules::Instant handed_over;
  };

  [[nodiscard]] rules::Instant now();
  void finish(const rules::CommitDone& done, rules::Instant now);
  void carry_out(const rules::Output& output, rules::Instant now);

  rules::Decider decider_;
  const Clock& clock_;
  Journal& journal_;
  Actions& actions_;
  Observer& observer_;
  std::map<rules::CommitId, Pending> pending_;
  rules::Instant last_{};
};

}  // namespace rollbackd::engine
