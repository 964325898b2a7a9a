#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/support/sim_world.hpp"

namespace rollbackd::tests {

using CountByDeployment = std::map<rules::DeploymentId, std::uint64_t>;

// How often every row is counted.
inline constexpr rules::Second count_every = 5;

inline std::uint64_t count_of(const CountByDeployment& counts, const rules::DeploymentId& id) {
  const auto found = counts.find(id);
  return found == counts.end() ? 0 : found->second;
}

// Looks at the world from outside and holds it against what always holds (DESIGN.md section 9). It
// counts and decides by itself, the dumb way, and never asks the rules how they did.
class Inspector {
 public:
  Inspector(SimWorld& world, const rules::PolicyBook& policies);

  // Something is broken on purpose: nothing has to be prompt for a while.
  void note_fault();
  // Everything has come to rest.
  void look_at_the_end();

  [[nodiscard]] const std::vector<std::string>& findings() const { return findings_; }
  // A number that any difference in what happened changes.
  [[nodiscard]] std::uint64_t story() const { return story_; }

 private:
  // What is known of a rollback from watching it.
  struct Watched {
    bool marked = false;
    rules::DeploymentStatus old_status{};
    bool old_health_check_passed = false;
    int dispatches = 0;
    int claims = 0;  // each with a look of its own
    int proposed = 0;
    int initiated = 0;
    int ended = 0;
  };
  // What was last said of a service.
  struct Said {
    rules::DeploymentId deployment;
    std::set<rules::Reason> reasons;
    rules::Instant at;
    std::uint64_t faults = 0;
  };

  void find(const std::string& what);
  void tell(const std::string& line);

  void on_write(const rules::Commit& commit);
  void on_commit(const rules::Commit& commit);
  void on_entry(const rules::JournalEntry& entry);
  void on_action(const rules::Action& action);
  void on_explanation(const rules::Explanation& explanation);
  void on_moment();

  void look_at_decision(const rules::Rollback& rollback);
  void look_at_mark(const rules::MarkRolledBack& mark);
  void look_at_dispatch(const rules::Deploy& deploy);
  void look_at_claim(const rules::Rollback& rollback);
  void look_at_guards(const rules::Rollback& rollback);
  void look_at_settling(const rules::SettleLate& settled);
  void look_at_followed(const rules::Rollback& rollback);
  void look_at_sayings(const rules::Service& service);
  [[nodiscard]] bool deployed_between(const rules::Service& service, rules::Instant since) const;
  void look_at_open_rollbacks();
  void look_at_end_of(const rules::Rollback& rollback);
  void look_at_rows_of(const rules::Rollback& rollback, const Watched& watched);
  void look_at_counts();
  void look_at_neglect(const CountByDeployment& minute, const CountByDeployment& five);
  [[nodiscard]] bool must_be_rolled_back(const rules::Deployment& current) const;
  [[nodiscard]] std::size_t other_rollbacks(const rules::Service& service,
                                            const rules::EventId& own) const;
  void look_at_neighbours(const CountByDeployment& minute, const CountByDeployment& five);
  [[nodiscard]] bool is_guarded(const rules::Deployment& current) const;
  [[nodiscard]] bool was_bad_before(const rules::Deployment& current) const;
  [[nodiscard]] bool meets_migrations(const rules::Deployment& current) const;
  [[nodiscard]] std::optional<rules::Rollback> last_failed(const rules::Service& service) const;
  [[nodiscard]] bool is_held(const rules::Deployment& current) const;
  [[nodiscard]] std::string name_of_row(const rules::DeploymentId& id) const;

  SimWorld& world_;
  const rules::PolicyBook& policies_;
  bool is_traced_;
  std::vector<std::string> findings_;
  std::uint64_t story_ = 14695981039346656037ULL;
  std::uint64_t faults_ = 0;
  rules::Instant last_fault_{};
  std::map<rules::EventId, Watched> watched_;
  std::set<rules::EventId> open_;
  std::map<std::uint64_t, rules::Instant> control_asked_;  // by the ReadControl's number
  rules::Instant control_handed_over_{};
  bool control_was_fresh_ = false;
  std::map<rules::Service, std::vector<Said>> said_;  // the last two
  std::map<rules::Service, rules::Instant> neglected_since_;
  std::map<rules::Service, rules::Instant> others_bad_since_;
  std::set<rules::Service> others_perhaps_bad_;
  std::set<rules::Service> services_;
  rules::Second second_ = 0;
  std::uint64_t moments_ = 0;
};

}  // namespace rollbackd::tests
