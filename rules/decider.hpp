#pragma once

#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "rules/execution.hpp"
#include "rules/input.hpp"
#include "rules/intake.hpp"
#include "rules/judgement.hpp"
#include "rules/late_run.hpp"
#include "rules/limits.hpp"
#include "rules/output.hpp"
#include "rules/view.hpp"
#include "rules/world.hpp"

namespace rollbackd::rules {

// The only entry to the rules: takes what happened, says what to do about it, and does nothing
// itself. The same inputs at the same times give the same outputs. One thread.
class Decider {
 public:
  explicit Decider(PolicyBook policies);

  // `now` is the database's time and never less than in the call before.
  Output step(Instant now, const Input& input);

  // When a Tick is wanted although nothing else happens; nothing: never.
  [[nodiscard]] std::optional<Instant> wake_at() const;

  [[nodiscard]] std::optional<CheckView> check(const DeploymentId& id) const;
  [[nodiscard]] std::vector<ServiceView> services() const;
  [[nodiscard]] const World& world() const { return world_; }
  [[nodiscard]] std::size_t active_rollbacks() const { return executions_.size(); }

 private:
  // What a transaction on its way belongs to.
  struct Sent {
    std::optional<Service> execution;     // the service whose rollback waits for it
    std::optional<DeploymentId> arrival;  // the deployment whose arrival it tells
    std::optional<double> utilisation;    // when that arrived, percent
    std::optional<EventId> late_run{};    // the rollback whose run is followed after its end
    std::optional<bool> previous_unhealthy{};
    std::optional<Pause> pause{};  // that it tells
    bool pauses = false;           // it begins the pause, or
    bool resumes = false;          // ends it
  };
  // A pause that was asked for here counts at once. What is read of ops.control may have been read
  // before it was there, until one read has begun after its commit.
  struct OwnPause {
    Pause pause;
    bool is_committed = false;
  };
  // What an executor said while no rollback was there to hear it.
  struct Unclaimed {
    std::optional<int> claims;  // so far, when it was said; nothing: not known
    std::optional<DeployStarted> started;
    std::optional<DeployEnded> ended;
  };
  // Asked about a service's rollback while nobody knows whether its last transaction was written:
  // an answer would tell of what may never have been.
  struct Postponed {
    Service service;
    std::variant<ManualRequest, ApproveRequest, AbortRequest> request;
  };
  // A service's current deployment and the rows that fire for it.
  struct Sight {
    const Deployment* current;
    ServiceState* state;
    std::vector<Reading> firing;
  };

  void on(const FeedBatch& batch, Instant now, Output& output);
  void on(const FeedRebuilt& rebuilt, Instant now, Output& output);
  void on(const WindowsRecounted& recounted, Instant now, Output& output);
  void on(const AuditCounted& counted, Instant now, Output& output);
  void on(const FeedLost& lost, Instant now, Output& output);
  void on(const JournalRead& journal, Instant now, Output& output);
  void on(const CommitDone& done, Instant now, Output& output);
  void on(const LeadershipLost& lost, Instant now, Output& output);
  void on(const Sampled& samples, Instant now, Output& output);
  void on(const SnapshotTaken& answer, Instant now, Output& output);
  void on(const DeployStarted& answer, Instant now, Output& output);
  void on(const DeployEnded& answer, Instant now, Output& output);
  void on(const HealthUrlAnswered& answer, Instant now, Output& output);
  void on(const ManualRequest& request, Instant now, Output& output);
  void on(const Tick& tick, Instant now, Output& output);
  void on(const ResponseTimesRead& read, Instant now, Output& output);
  void on(const ResponseTimesLost& lost, Instant now, Output& output);
  void on(const MigrationsReverted& answer, Instant now, Output& output);
  void on(const ControlRead& control, Instant now, Output& output);
  void on(const ApproveRequest& request, Instant now, Output& output);
  void on(const AbortRequest& request, Instant now, Output& output);
  void on(const PauseRequest& request, Instant now, Output& output);
  void on(const CloseBreakerRequest& request, Instant now, Output& output);
  void on(const PoliciesChanged& changed, Instant now, Output& output);

  void after_intake(const Intake& intake, Instant now, Output& output);
  void welcome(const Deployment& deployment, Instant now, Output& output);
  void judge_everybody(Instant now, Output& output);
  void judge_service(const Service& service, Instant now, Output& output);
  void judge_services(const std::set<Service>& services, Instant now, Output& output);
  std::optional<Sight> look_at(const Service& service, const Deployments::Line& line,
                               ServiceState& state, Instant now);
  void judge_sight(const Sight& sight, Instant now, Output& output);
  void say_not_leader(const Sight& sight, Instant now, Output& output);
  void warn(const Deployment& current, ServiceState& state, const std::vector<Reading>& firing,
            Instant now, Output& output);
  void tell(const Deployment& current, ServiceState& state, const Verdict& verdict, Instant now,
            Output& output);
  void act(const Deployment& current, const Verdict& verdict, const std::vector<Reason>& reasons,
           Instant now, Output& output);
  void tell_shadow(const Deployment& current, const Verdict& verdict,
                   const std::vector<Reason>& reasons, Instant now, Output& output);
  void hold(const Deployment& current, const Verdict& verdict, const std::vector<Reason>& reasons,
            Instant now, Output& output);
  void open_breaker(const Deployment& current, const Verdict& verdict, Instant now, Output& output);
  // The row as it was written.
  Rollback reject(Rollback proposed, Instant now, Output& output);
  void start(Rollback rollback, Output& output);
  void look_at_probation(const Deployment& current, Instant now, Output& output);
  void drive_all(Instant now, Output& output);
  void drive(const Service& service, Instant now, Output& output);
  void drive_late_runs(Instant now, Output& output);
  bool carry_out(NextMove move, Sent sent, Output& output);
  // Whether a proposal ended: what is current has to be judged.
  bool conclude(const Service& service);
  void remember(const JournalRead& journal, Instant now);
  void forget_journal(Output& output);
  void note_standing(const Service& service);
  void believe_in_own_pause();
  void look_at_control(Instant now, Output& output);
  void approve(Execution& execution, Approval approval, Instant now, Output& output);
  template <class Request>
  void postpone(const Service& service, const Request& request, Output& output);
  void take_up_postponed(const Service& service, Instant now, Output& output);
  void refuse_postponed(Output& output);
  void answer(RequestId request, Answer::Kind kind, std::optional<Rollback> rollback,
              Output& output) const;
  [[nodiscard]] bool can_answer() const;

  template <class Run>
  void keep_answers(const Run& run);
  [[nodiscard]] Unclaimed* room_for(const EventId& event);
  [[nodiscard]] const Unclaimed* unclaimed_of(const Rollback& rollback) const;
  static bool is_running(const JournalRead& journal, const Rollback& rollback,
                         const Unclaimed* answers);
  static void give(Execution& execution, const Unclaimed* answers, Instant now);
  static void give(LateRun& run, const Unclaimed* answers, Instant now);

  [[nodiscard]] bool can_judge(Instant now) const {
    return is_current(world_, now) && world_.journal_known;
  }
  // What is not urgent waits until the journal has written some of what it was handed: each service
  // is looked at again within a second.
  [[nodiscard]] bool has_much_to_say() const { return sent_.size() >= limits::commits_waiting_max; }
  [[nodiscard]] Execution* execution_of(const EventId& event);
  [[nodiscard]] State state_of(const Deployment& deployment, bool firing) const;
  void send(std::vector<JournalEntry> entries, std::vector<Action> then, Sent sent, Output& output);

  World world_;
  std::map<Service, Execution> executions_;
  std::map<EventId, LateRun> late_runs_;
  std::map<CommitId, Sent> sent_;
  std::vector<Postponed> postponed_;
  CommitId last_commit_ = 0;
  Instant now_{};                    // of the last step
  std::set<DeploymentId> verified_;  // PassProbation was sent; the row has not come back yet
  std::set<std::pair<DeploymentId, SnapshotType>> snapshots_asked_;
  bool is_standby_ = true;           // another daemon may lead
  std::optional<Pause> pause_told_;  // as the journal has it
  bool is_telling_pause_ = false;    // what tells it is on its way
  // The last that was asked for here, and with which token.
  std::optional<std::pair<Pause, std::string>> pause_asked_;
  std::optional<OwnPause> own_pause_;
  std::uint64_t recount_asked_ = 0;         // the last RecountResponseTimes
  std::map<EventId, Unclaimed> unclaimed_;  // while the journal is not known
};

}  // namespace rollbackd::rules
