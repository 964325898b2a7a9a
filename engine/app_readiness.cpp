#include "engine/app_readiness.hpp"

#include <vector>

namespace rollbackd::engine {
namespace {

// Windows that are older make the daemon not ready: a link may hang before anything fails.
constexpr rules::Second windows_age_max = 3;
constexpr rules::Duration overdue_max = rules::seconds{5};

}  // namespace

// A warm standby is ready, too: it answers reads and takes over.
Readiness readiness_of(const Witnesses& of) {
  Readiness now;
  now.role = of.leadership.is_leading() ? "leader" : "standby";
  now.leader = of.control.leader();
  const std::string& why = of.feed.polls_by_design();
  now.feed = why.empty() ? "listening" : "polling: " + why;
  for (const StatusBoard::Problem& problem : of.board.problems()) {
    const bool leaders_own = problem.part == Part::leadership || problem.part == Part::journal;
    if (of.leadership.is_standby() && leaders_own) {
      continue;
    }
    // Who holds K instead of us is among the warnings; polling meanwhile loses nothing.
    if (problem.part == Part::doorbell && of.board.is_warned_of(Warning::doorbell_strangers)) {
      continue;
    }
    now.problems.emplace_back(std::string{name_of(problem.part)}, problem.text);
  }
  const rules::Second age = rules::second_of(of.time.now()) - of.loop.as_of();
  if (of.loop.has_windows() && age > windows_age_max &&
      of.board.problem_of(Part::windows).empty()) {
    now.problems.emplace_back(std::string{name_of(Part::windows)},
                              "the tables have not been read for " + std::to_string(age) + " s");
  }
  now.ready = now.problems.empty();
  now.warnings = of.board.warnings();
  return now;
}

Metrics::Health health_of(const Readiness& now) {
  Metrics::Health health{now.ready, {}};
  for (const auto& [part, text] : now.problems) {
    health.problems.push_back(part);
  }
  return health;
}

std::string status_of(const Witnesses& of) {
  const Readiness now = readiness_of(of);
  if (now.ready) {
    return now.role + ", " + now.feed +
           ", rollbacks under way: " + std::to_string(of.loop.active_rollbacks());
  }
  std::vector<std::string> problems;
  for (const auto& [part, problem] : now.problems) {
    if (problem != StatusBoard::starting) {
      problems.push_back(part + ": " + problem);
    }
  }
  if (problems.empty()) {
    return "starting";
  }
  // Most of the others follow from the first.
  const std::size_t more = problems.size() - 1;
  return "not ready: " + problems.front() +
         (more == 0 ? "" : "; and " + std::to_string(more) + " more in /readyz");
}

// Who has lost the database is no standby: the leader that was read last may be itself.
std::optional<std::string> other_leader(const Witnesses& of) {
  if (of.leadership.is_leading()) {
    return std::nullopt;
  }
  return of.leadership.is_standby() ? of.control.leader() : std::string{};
}

bool progresses(const Witnesses& of) {
  const auto wanted = of.loop.wake_at();
  return !wanted || of.time.now() - *wanted < overdue_max;
}

}  // namespace rollbackd::engine
