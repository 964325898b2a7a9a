#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "engine/loop.hpp"
#include "engine/ports.hpp"

namespace rollbackd::tests {

namespace rules = rollbackd::rules;
namespace engine = rollbackd::engine;

// One row of an error log that counts.
struct SimEvent {
  rules::Instant timestamp;
  rules::Service service;
  std::optional<rules::DeploymentId> deployment;
  std::uint64_t xid = 0;  // when it was committed, in the order of commits
};

// What an executor does with the next deploys.
struct SimDeploy {
  rules::DeployOutcome outcome = rules::DeployOutcome::succeeded;
  rules::Duration takes = rules::seconds{2};
  std::string detail = "exit status 0";
};

// A database, an executor and a clock in memory, around the real loop. Everything happens in one
// order, decided by virtual time; nothing here knows how the rules decide.
class SimWorld final : public engine::Clock,
                       public engine::Journal,
                       public engine::Actions,
                       public engine::Observer {
 public:
  explicit SimWorld(rules::PolicyBook policies, rules::Instant start);

  // Time.
  [[nodiscard]] rules::Instant now() const override { return now_; }
  void run_until(rules::Instant until);

  // What people and programs do to the database.
  rules::DeploymentId deploy(const rules::Service& service, const std::string& version,
                             const std::string& commit, rules::DeploymentStatus status);
  void set_status(const rules::DeploymentId& id, rules::DeploymentStatus status);
  void log_error(const rules::Service& service, rules::Instant timestamp,
                 std::optional<rules::DeploymentId> deployment = std::nullopt);
  void request_rollback(const rules::DeploymentId& id, const std::string& reason);
  void set_samples(rules::Sampled samples) { samples_ = samples; }

  // Faults.
  void restart();    // the daemon is killed and started again
  void lose_feed();  // until the next second
  void fail_next_commit(bool although_done);
  void next_deploys(SimDeploy behaviour) { deploy_behaviour_ = behaviour; }
  void health_url_answers(bool ok) { health_url_ok_ = ok; }

  // What can be looked at afterwards.
  [[nodiscard]] const engine::Loop& loop() const { return *loop_; }
  [[nodiscard]] const rules::Deployment& deployment(const rules::DeploymentId& id) const;
  [[nodiscard]] const std::map<rules::DeploymentId, rules::Deployment>& deployments() const {
    return deployments_;
  }
  [[nodiscard]] const std::map<rules::EventId, rules::Rollback>& rollbacks() const {
    return rollbacks_;
  }
  [[nodiscard]] const std::vector<SimEvent>& events() const { return events_; }
  [[nodiscard]] const std::vector<rules::Deploy>& dispatched() const { return dispatched_; }
  // Counts by looking at every row, as SQL would.
  [[nodiscard]] std::uint64_t recount(const rules::DeploymentId& id, rules::Second window) const;
  [[nodiscard]] const rules::Deployment* attributed(const SimEvent& event) const;

  // Hears of each journal entry as it commits, and of each action as it starts.
  std::function<void(const rules::JournalEntry&)> on_entry = [](const auto&) {};
  std::function<void(const rules::Action&)> on_action = [](const auto&) {};
  std::function<void(const rules::Explanation&)> on_explanation = [](const auto&) {};

  // The ports.
  void write(const rules::Commit& commit) override;
  void read() override;
  void start(const rules::Action& action) override;
  [[nodiscard]] std::vector<rules::EventId> running() const override;
  void took(const rules::Input& input) override { static_cast<void>(input); }
  void decided(const rules::Output& output) override;
  void committed(const rules::Commit& commit, rules::Duration waited) override;

 private:
  struct Due {
    rules::Instant at;
    std::uint64_t order;
    std::function<void()> what;
  };
  struct Later {
    bool operator()(const Due& a, const Due& b) const {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
  };

  void after(rules::Duration delay, std::function<void()> what);
  void take(const rules::Input& input);
  void boot();
  void every_second();
  void ring();
  void poll(const std::vector<rules::Service>& rebuilt);
  void rebuild_all();
  void apply(const rules::Commit& commit);
  void apply_entry(const rules::JournalEntry& entry);
  rules::Deployment& changed(const rules::DeploymentId& id);
  rules::JournalRead journal_read() const;
  [[nodiscard]] rules::EventGroup group_of(const SimEvent& event) const;
  [[nodiscard]] bool belongs_to(const SimEvent& event, const rules::Service& service) const;

  rules::PolicyBook policies_;
  rules::Instant now_;
  std::uint64_t order_ = 0;
  std::priority_queue<Due, std::vector<Due>, Later> due_;
  std::uint64_t life_ = 0;  // of the daemon; answers to an earlier one get lost
  std::unique_ptr<engine::Loop> loop_;
  std::optional<rules::Instant> wake_;

  std::map<rules::DeploymentId, rules::Deployment> deployments_;
  std::map<rules::EventId, rules::Rollback> rollbacks_;
  std::vector<SimEvent> events_;
  std::size_t events_polled_ = 0;  // the feed has seen the first so many
  std::set<rules::DeploymentId> rows_changed_;
  std::int64_t last_row_ = 0;
  rules::Sampled samples_{10, 10, 1, 20.0};

  std::vector<rules::Deploy> dispatched_;
  std::set<rules::EventId> running_;
  SimDeploy deploy_behaviour_;
  bool health_url_ok_ = true;
  bool feed_lost_ = false;
  bool bell_pending_ = false;
  bool journal_broken_ = false;
  std::optional<bool> fail_commit_;  // value: although it is done
};

// A uuid that is the same in every run, told apart by a number.
rules::DeploymentId numbered_id(std::uint64_t number);

}  // namespace rollbackd::tests
