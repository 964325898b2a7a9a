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
#include "tests/support/sim_bugs.hpp"
#include "tests/support/sim_database.hpp"

namespace rollbackd::tests {

namespace engine = rollbackd::engine;

// What an executor does with a deploy.
struct SimDeploy {
  rules::DeployOutcome outcome = rules::DeployOutcome::succeeded;
  rules::Duration takes = rules::seconds{2};
  std::string detail = "exit status 0";
  rules::Duration retry_after{0};  // of a refused one

  // Of an executor that can be followed. Of `unknown`, which is an answer that got lost: whether a
  // run was made all the same. When it is first listed, and what it ends with, after `takes`.
  bool runs = true;
  rules::Duration listed_after{0};
  rules::DeployOutcome run_ends = rules::DeployOutcome::succeeded;
  bool heeds_cancel = true;
  rules::Duration deadline = rules::minutes{15};
};

// A dispatch as the executor remembers it, whatever the daemon knows of it.
struct SimRun {
  rules::Deploy deploy;
  bool certain_no = false;  // and so it was answered
  bool made = false;        // something runs
  std::string id;
  rules::Instant listed_at;
  rules::Instant ends_at;
  rules::Instant deadline;
  rules::DeployOutcome ends_with = rules::DeployOutcome::succeeded;
  bool heeds_cancel = true;
  bool ended = false;
};

// What becomes of a transaction: lost ones are not written, and a confirmation can be lost as well.
enum class SimCommit { done, lost, confirmation_lost };

// What chance may change. As it is, nothing unusual happens.
struct SimChance {
  std::function<rules::Duration(rules::Duration)> takes = [](rules::Duration usual) {
    return usual;
  };
  std::function<SimDeploy(const rules::Deploy&)> deploy;
  // What a deploy that succeeds changes.
  std::function<void(const rules::Deploy&)> deployed = [](const auto&) {};
  std::function<SimCommit()> commit = [] { return SimCommit::done; };
  // Whether a transaction that a killed daemon had sent is written all the same.
  std::function<bool()> lands = [] { return false; };
  // Whether the feed counts every row once a minute.
  bool audits = false;
};

// Who looks on. Nothing is changed by them.
struct SimWitness {
  std::function<void(const rules::Commit&)> on_commit = [](const auto&) {};  // before it is applied
  std::function<void(const rules::JournalEntry&)> on_entry = [](const auto&) {};
  std::function<void(const rules::Action&)> on_action = [](const auto&) {};
  std::function<void(const rules::Answer&)> on_answer = [](const auto&) {};
  std::function<void(const rules::Explanation&)> on_explanation = [](const auto&) {};
  std::function<void(const rules::Commit&)> on_write = [](const auto&) {};  // as it is handed over
  std::function<void(const rules::AuditFinding&)> on_audit = [](const auto&) {};
  // A ControlRead is about to be handed over, which was read at that moment.
  std::function<void(const rules::ControlRead&, rules::Instant)> on_control = [](const auto&,
                                                                                 auto) {};
  std::function<void()> on_fault = [] {};   // a transaction failed, by chance or by a constraint
  std::function<void()> on_moment = [] {};  // something happened
};

// What happens next, but not within the call that asked for it; and one transaction of the journal.
inline constexpr rules::Duration at_once{0};
inline constexpr rules::Duration commit_takes{1'000};

// A database, an executor and a clock in memory, around the real loop. Everything happens in one
// order, decided by virtual time; nothing here knows how the rules decide.
class SimWorld final : public engine::Clock,
                       public engine::Journal,
                       public engine::Actions,
                       public engine::Observer {
 public:
  SimWorld(rules::PolicyBook policies, rules::Instant start, SimChance chance = {});

  // Time: the database's, and as the daemon knows it.
  [[nodiscard]] rules::Instant time() const { return time_; }
  [[nodiscard]] rules::Instant now() const override { return time_ + skew_; }
  void run_until(rules::Instant until);
  void after(rules::Duration delay, std::function<void()> what);

  // What people and programs do.
  rules::DeploymentId deploy(const rules::Service& service, const std::string& version,
                             const std::string& commit, rules::DeploymentStatus status);
  void set_status(const rules::DeploymentId& id, rules::DeploymentStatus status);
  void log_error(const rules::Service& service, rules::Instant timestamp,
                 std::optional<rules::DeploymentId> deployment = std::nullopt);
  void request_rollback(const rules::DeploymentId& id, const std::string& reason,
                        bool revert_migrations = false);
  // Whoever leads gets it; nobody leads: it gets lost.
  void ask(const rules::Input& request);
  void set_pause(bool on, const std::string& reason);  // with plain SQL
  [[nodiscard]] const std::vector<rules::Migration>& migrations() const { return migrations_; }
  void add_migration(const std::string& name, const rules::DeploymentId& deployment,
                     bool backward_compatible = false);
  void alert(const std::string& name, const rules::Service& service, bool fires);
  void migrations_fail(bool fail) { migrations_fail_ = fail; }
  void set_samples(rules::Sampled samples) { samples_ = samples; }
  void next_deploys(SimDeploy behaviour) { deploy_behaviour_ = std::move(behaviour); }
  void health_url_answers(bool ok) { health_url_ok_ = ok; }

  // Faults.
  void kill();     // the daemon is gone
  void boot();     // a new one starts
  void restart();  // both at once
  void lose_feed();
  void find_feed();
  void lose_leadership();
  void find_leadership();
  void lose_database();  // with the feed and whatever is on its way to the journal
  void find_database() { is_database_up_ = true; }
  void set_skew(rules::Duration skew) { skew_ = skew; }
  void plant(SimBug bug) { bug_ = bug; }

  // What can be looked at.
  [[nodiscard]] const engine::Loop& loop() const { return *loop_; }
  [[nodiscard]] const SimDatabase& database() const { return database_; }
  [[nodiscard]] const std::map<rules::DeploymentId, rules::Deployment>& deployments() const {
    return database_.deployments();
  }
  [[nodiscard]] const std::map<rules::EventId, rules::Rollback>& rollbacks() const {
    return database_.rollbacks();
  }
  // All dispatches of a rollback, in their order.
  [[nodiscard]] const std::vector<SimRun>& runs_of(const rules::EventId& event) const;
  [[nodiscard]] bool is_up() const { return is_up_; }
  [[nodiscard]] bool is_leading() const { return is_up_ && leads_; }
  [[nodiscard]] bool has_feed() const { return is_up_ && !feed_lost_; }
  // The daemon has been told all that happened, and has nothing on its way.
  [[nodiscard]] bool is_quiet() const;

  SimWitness witness;

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
  // Things that happen one after the other, each after a time of its own.
  using Queue = rules::Instant;

  void in_turn(Queue& queue, rules::Duration usual, std::function<void()> what);
  void while_alive(rules::Duration delay, std::function<void()> what);
  void take(const rules::Input& input);
  void every_second();
  void ring();
  void poll(bool audit = false);
  void recount(const rules::RebuildWindows& wanted);
  // Hands over what was counted in the past, while looks go on.
  void deliver_late(rules::Input counted);
  void rebuild_all();
  void deliver(rules::Input input);
  void execute(const rules::Commit& commit, std::uint64_t life);
  void confirm(rules::CommitDone done);
  void answer_journal();
  void start_deploy(const rules::Deploy& deploy);
  void follow(const rules::FollowDeploy& wanted);
  void look_up(const rules::EventId& event);
  void find_run(const rules::EventId& event, bool cancel);
  void watch_run(const rules::EventId& event);
  void look_at_run(const rules::EventId& event);
  void finish_run(const rules::EventId& event);
  void cancel_run(const rules::EventId& event);
  void say_ended(const rules::DeployEnded& ended);
  void revert(const rules::RevertMigrations& wanted);
  [[nodiscard]] rules::ControlRead control() const;
  void read_control();
  void hand_over_control(rules::ControlRead read, rules::Instant read_at);
  void start_snapshot(const rules::TakeSnapshot& snapshot);

  rules::PolicyBook policies_;
  rules::Instant time_;
  rules::Duration skew_{0};
  SimChance chance_;
  SimBug bug_ = SimBug::none;
  std::uint64_t bug_count_ = 0;
  std::uint64_t order_ = 0;
  std::priority_queue<Due, std::vector<Due>, Later> due_;
  std::uint64_t life_ = 0;  // of the daemon; answers to an earlier one get lost
  bool is_up_ = false;
  bool leads_ = false;
  std::unique_ptr<engine::Loop> loop_;
  std::optional<rules::Instant> wake_;

  SimDatabase database_;
  rules::Sampled samples_{10, 10, 1, 20.0};
  std::set<rules::EventId> running_;  // whose end the daemon waits for
  std::set<rules::EventId> late_;     // of these, those that it follows after their end
  std::map<rules::EventId, std::vector<SimRun>> runs_;
  std::vector<rules::FiringAlert> alerts_;
  std::vector<rules::Migration> migrations_;
  bool migrations_fail_ = false;
  std::uint64_t control_asked_ = 0;
  rules::Instant control_read_at_{};
  SimDeploy deploy_behaviour_;
  bool health_url_ok_ = true;

  bool feed_lost_ = false;
  std::uint64_t feed_life_ = 0;  // what was looked at in an earlier one is not delivered
  bool bell_pending_ = false;
  std::size_t looks_ = 0;  // taken and not delivered yet, and recounts asked for
  Queue feed_queue_{};
  Queue journal_queue_{};
  Queue journal_answers_{};
  Queue control_queue_{};
  Queue control_answers_{};
  bool journal_broken_ = false;
  bool is_database_up_ = true;
  std::size_t writes_ = 0;
};

}  // namespace rollbackd::tests
