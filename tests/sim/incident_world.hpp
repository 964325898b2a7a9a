#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rules/decider.hpp"
#include "tests/sim/incident_oracle.hpp"
#include "tests/sim/incidents.hpp"
#include "tests/support/random.hpp"

namespace rollbackd::tests {

// The world of one incident: a clock that skips what is not due, the tables, two daemons of which
// one leads, and executors. What happens in it is chosen from one source of random numbers.
class IncidentWorld {
 public:
  IncidentWorld(std::uint64_t seed, IncidentKind kind, SimBug bug);
  IncidentWorld(const IncidentWorld&) = delete;
  IncidentWorld& operator=(const IncidentWorld&) = delete;

  // For who writes the story. Whatever is asked for happens in the order of its time.
  void after(rules::Duration delay, std::function<void()> what);
  [[nodiscard]] rules::Duration between(rules::Duration low, rules::Duration high);
  [[nodiscard]] rules::Instant now() const { return now_; }
  Random& random() { return random_; }
  SimDatabase& database() { return database_; }
  IncidentOracle& oracle() { return oracle_; }
  [[nodiscard]] bool is_calm() const { return is_calm_; }

  void set_policy(const rules::Service& service, rules::Policy policy);
  // Something can still change until then: the feed goes on looking.
  void expect_until(rules::Instant then) { busy_until_ = std::max(busy_until_, then); }
  // The feed's bell rings.
  void ring();
  void ask(const rules::Input& request);  // of who leads; nobody: it is lost
  void pause(bool on);                    // by plain SQL
  void control_changed();
  void add_migration(rules::Migration migration) { migrations_.push_back(std::move(migration)); }
  // What runs is the version that was deployed last, by whomever.
  std::function<void(const rules::Service&)> on_rolled_back;

  void begin();
  void break_daemon();
  void break_leadership();
  void break_feed();
  void stall_feed();
  void allow_faults(int number) { faults_left_ = number; }
  // Until everything has come to rest.
  void run();
  [[nodiscard]] IncidentResult result() const;

 private:
  struct Sent {
    rules::Commit commit;
    std::uint64_t epoch;
  };
  struct Daemon {
    std::optional<rules::Decider> rules{};  // nothing: it is dead
    std::uint64_t life = 0;
    std::uint64_t epoch = 0;  // under which it believes to lead; 0: it does not
    bool has_feed = false;
    bool is_writing = false;
    std::uint64_t writes = 0;
    std::deque<Sent> on_their_way{};
    std::vector<rules::EventId> running{};
    std::uint64_t control_number = 0;             // of its last ReadControl
    std::vector<rules::Instant> control_asked{};  // by number, of this life
    rules::Instant control_read_at{};
    rules::ControlRead control{};  // the last that it was given
    bool is_fresh = false;         // it is being given one that it has asked for
  };
  struct Due {
    rules::Instant at;
    std::uint64_t number;
    std::function<void()> what;
  };
  // What really became of a dispatch.
  struct Run {
    rules::EventId event;
    rules::Service service;
    std::string id;
    bool made = false;  // something runs, or ran
    bool ended = false;
    bool heeds_cancel = true;
    rules::DeployOutcome ends_with = rules::DeployOutcome::succeeded;
    rules::Instant listed_at;
    rules::Instant ends_at;
    rules::Instant deadline;
  };

  // Daemons, their feed and their journal: incident_world.cpp.
  [[nodiscard]] bool has_fault(std::uint64_t one_in);
  template <class What>
  void while_alive(Daemon& daemon, rules::Duration delay, What what) {
    after(delay, [&daemon, life = daemon.life, what = std::move(what)] {
      if (daemon.life == life) {
        what();
      }
    });
  }
  void step(Daemon& daemon, const rules::Input& input);
  void tick_or_wait(rules::Instant wake, std::size_t who);
  void remember(const rules::Output& output);
  void trace(const rules::Output& output) const;
  void look();
  void beat();
  void rebuild(Daemon& daemon);
  void hand_over(Daemon& daemon, rules::Commit commit);
  void write_next(Daemon& daemon);
  void finish_write(Daemon& daemon);
  bool write(const Sent& sent);
  void end_write(Daemon& daemon, const Sent& sent, bool committed);
  void start_daemon(Daemon& daemon);
  void lead(Daemon& daemon);
  void lose(Daemon& daemon);
  void crash(Daemon& daemon);
  void read_journal(Daemon& daemon);
  [[nodiscard]] Daemon& other(const Daemon& daemon) {
    return &daemon == daemons_.data() ? daemons_[1] : daemons_[0];
  }
  [[nodiscard]] Daemon* leader();

  // What they start: incident_actions.cpp.
  void start(Daemon& daemon, const rules::Action& action);
  void take_snapshot(Daemon& daemon, const rules::TakeSnapshot& wanted);
  void read_control(Daemon& daemon, rules::Duration takes);
  void give_control(Daemon& daemon, rules::ControlRead control, rules::Instant read_at);
  void revert(Daemon& daemon, const rules::RevertMigrations& wanted);
  void ask_gate(Daemon& daemon, const rules::Deploy& deploy);
  void pass_gate(Daemon& daemon, const rules::Deploy& deploy, std::uint64_t epoch);
  void dispatch(Daemon& daemon, const rules::Deploy& deploy);
  void tell_of_run(Daemon& daemon, const rules::Deploy& deploy, std::size_t run, bool lost);
  void follow(Daemon& daemon, const rules::FollowDeploy& wanted);
  void look_up(Daemon& daemon, const rules::EventId& event, bool late);
  void watch(Daemon& daemon, std::size_t run, bool late);
  void cancel(Daemon& daemon, const rules::EventId& event);
  void end_run(std::size_t run);
  void say_ended(Daemon& daemon, const rules::DeployEnded& ended);
  [[nodiscard]] std::optional<std::size_t> run_of(const rules::EventId& event) const;

  Random random_;
  SimBug bug_;
  bool is_calm_;
  bool is_traced_ = false;
  SimDatabase database_;
  IncidentOracle oracle_;
  rules::PolicyBook book_;
  std::vector<rules::Migration> migrations_;
  rules::Instant now_ = noon;
  rules::Instant busy_until_ = noon;
  rules::Duration pace_;  // of the looks while nothing else is due
  rules::Second lag_;     // how old they may be when something is
  std::vector<Due> due_;  // a heap
  std::uint64_t numbered_ = 0;
  std::array<Daemon, 2> daemons_;
  std::uint64_t epoch_ = 0;
  bool is_ringing_ = false;
  bool is_beating_ = false;
  rules::Second looked_at_ = 0;
  rules::Instant stalled_until_ = noon;
  std::vector<Run> runs_;
  int faults_left_ = 0;
  IncidentResult result_;
};

}  // namespace rollbackd::tests
