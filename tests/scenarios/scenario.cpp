#include "tests/scenarios/scenario.hpp"

#include <array>
#include <cstdio>
#include <map>
#include <sstream>
#include <stdexcept>

#include "tests/scenarios/scenario_policy.hpp"
#include "tests/support/sim_world.hpp"

namespace rollbackd::tests {
namespace {

using rules::Instant;

// The day of the procedures' example.
const Instant midnight = rules::instant_of(1765756800);  // 2025-12-15 00:00 UTC

std::string clock_text(Instant moment) {
  const auto us = (moment - midnight).count();
  char text[32];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d.%03d", static_cast<int>(us / 3'600'000'000),
                static_cast<int>(us / 60'000'000 % 60), static_cast<int>(us / 1'000'000 % 60),
                static_cast<int>(us / 1000 % 1000));
  return text;
}

Instant clock_of(const std::string& text) {
  int h = 0;
  int m = 0;
  int s = 0;
  char first = 0;
  char second = 0;
  std::istringstream in{text};
  if (!(in >> h >> first >> m >> second >> s) || first != ':' || second != ':') {
    throw std::runtime_error{"'" + text + "' is no HH:MM:SS"};
  }
  return midnight + rules::seconds{h * 3600 + m * 60 + s};
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in{line};
  std::vector<std::string> words;
  for (std::string word; in >> word;) {
    words.push_back(word);
  }
  return words;
}

// The words behind the verb, with `in ENV/SERVICE` and the like taken out.
struct Arguments {
  std::vector<std::string> words;
  rules::Service service{"production", "app"};
  std::map<std::string, std::string> options;

  explicit Arguments(const std::vector<std::string>& all, std::size_t from) {
    for (std::size_t i = from; i < all.size(); ++i) {
      const std::string& word = all[i];
      const bool option =
          word == "in" || word == "over" || word == "of" || word == "stamped" || word == "after";
      if (option && i + 1 < all.size()) {
        options[word] = all[++i];
      } else {
        words.push_back(word);
      }
    }
    if (const auto in = options.find("in"); in != options.end()) {
      const auto slash = in->second.find('/');
      service = {in->second.substr(0, slash), in->second.substr(slash + 1)};
    }
  }
};

// Who is told what they asked for, in a word.
std::string word_of(rules::Answer::Kind kind) {
  constexpr std::array words{"accepted",    "dry_run",    "rejected",           "no_target",
                             "under_way",   "paused",     "unknown_deployment", "unknown_event",
                             "not_waiting", "dispatched", "no_breaker",         "unavailable"};
  return words.at(static_cast<std::size_t>(kind));
}

class Teller {
 public:
  explicit Teller(const rules::Policy& policy)
      : world_{rules::PolicyBook{policy}, midnight + rules::seconds{13 * 3600}} {
    world_.witness.on_entry = [this](const rules::JournalEntry& entry) { tell_entry(entry); };
    world_.witness.on_action = [this](const rules::Action& action) { tell_action(action); };
    world_.witness.on_answer = [this](const rules::Answer& answer) {
      say("answered " + word_of(answer.kind));
    };
    world_.witness.on_explanation = [this](const rules::Explanation& e) {
      if (e.reason != rules::Reason::rollback) {
        say("decided " + std::string{name_of(e.reason)} + ": " + e.trigger + " " +
            rules::number_text(e.measured) + " above " + rules::number_text(e.above));
      }
    };
  }

  void line(const std::vector<std::string>& words);
  [[nodiscard]] std::string told() const { return told_; }

 private:
  void say(const std::string& text) { told_ += clock_text(world_.now()) + " " + text + "\n"; }
  void tell_entry(const rules::JournalEntry& entry);
  void tell_action(const rules::Action& action);
  void errors(const Arguments& arguments);
  bool people(const std::string& verb, const std::vector<std::string>& words);
  void next(const Arguments& arguments);
  void check(const std::string& version);
  void sum_up();
  [[nodiscard]] rules::DeploymentId newest(const std::string& version) const;
  [[nodiscard]] std::string name_of_row(const rules::DeploymentId& id) const;

  SimWorld world_;
  rules::Sampled samples_{10, 10, 1, 20.0};
  SimDeploy behaviour_;
  std::string told_;
};

std::string Teller::name_of_row(const rules::DeploymentId& id) const {
  const auto row = world_.deployments().find(id);
  if (row == world_.deployments().end()) {
    return "unknown";
  }
  return row->second.version + (row->second.rollback_from ? " (replacement)" : "");
}

rules::DeploymentId Teller::newest(const std::string& version) const {
  const rules::Deployment* found = nullptr;
  for (const auto& [id, row] : world_.deployments()) {
    if (row.version == version && (found == nullptr || row.row > found->row)) {
      found = &row;
    }
  }
  if (found == nullptr) {
    throw std::runtime_error{"no deployment of " + version};
  }
  return found->id;
}

void Teller::tell_entry(const rules::JournalEntry& entry) {
  if (const auto* event = std::get_if<rules::RomanEvent>(&entry)) {
    say("event " + event->event_type + " [" + event->severity + "] " + event->description);
  } else if (const auto* alert = std::get_if<rules::Alert>(&entry)) {
    say("alert " + std::string{rules::name_of(alert->kind)});
  } else if (const auto* passed = std::get_if<rules::PassProbation>(&entry)) {
    say("health_check_passed " + name_of_row(passed->deployment) + " by " +
        rules::value_text(passed->details.front().value));
  } else if (const auto* restored = std::get_if<rules::RestoreDeployment>(&entry)) {
    say("restored " + name_of_row(restored->deployment) + " to " +
        std::string{rules::name_of(restored->status)});
  } else if (const auto* serving = std::get_if<rules::PutInService>(&entry)) {
    say("in service " + name_of_row(serving->replacement) + " from " +
        clock_text(serving->deployed_at));
  } else if (const auto* settled = std::get_if<rules::SettleLate>(&entry)) {
    say("settled: " + name_of_row(settled->deployment) + " rolled_back, " +
        name_of_row(settled->replacement) + " in service from " + clock_text(settled->deployed_at));
  } else if (const auto* amended = std::get_if<rules::AmendRollback>(&entry)) {
    say("late outcome: " +
        (amended->rollback.late_outcome.empty() ? "none yet" : amended->rollback.late_outcome));
  }
}

void Teller::tell_action(const rules::Action& action) {
  if (const auto* deploy = std::get_if<rules::Deploy>(&action)) {
    say("DEPLOY " + deploy->version + " " + deploy->git_commit + " to " +
        deploy->service.environment + "/" + deploy->service.name);
  } else if (const auto* followed = std::get_if<rules::FollowDeploy>(&action)) {
    say("FOLLOW " + (followed->run.empty() ? "what was claimed" : followed->run) +
        (followed->late ? ", late" : ""));
  } else if (const auto* cancelled = std::get_if<rules::CancelDeploy>(&action)) {
    say("CANCEL " + cancelled->run);
  } else if (const auto* reverted = std::get_if<rules::RevertMigrations>(&action)) {
    std::string names;
    for (const std::string& name : reverted->migrations) {
      names += " " + name;
    }
    say("REVERT" + names);
  } else if (const auto* snapshot = std::get_if<rules::TakeSnapshot>(&action)) {
    say("snapshot " + std::string{rules::name_of(snapshot->type)} + " of " +
        name_of_row(snapshot->deployment));
  }
}

void Teller::errors(const Arguments& arguments) {
  std::int64_t count = 1;
  for (const std::string& word : arguments.words) {
    if (word.front() == 'x') {
      count = std::stoll(word.substr(1));
    }
  }
  const auto option = [&](const char* name) -> std::optional<std::string> {
    const auto found = arguments.options.find(name);
    return found == arguments.options.end() ? std::nullopt : std::optional{found->second};
  };
  const rules::Duration span = seconds_of(option("over").value_or("0"));
  const Instant start = world_.now();
  for (std::int64_t i = 0; i < count; ++i) {
    world_.run_until(start + span * i / count);
    const auto version = option("of");
    const auto stamp = option("stamped");
    world_.log_error(arguments.service, stamp ? clock_of(*stamp) : world_.now(),
                     version ? std::optional{newest(*version)} : std::nullopt);
  }
}

void Teller::next(const Arguments& arguments) {
  const std::string& how = arguments.words.at(1);
  if (arguments.words.at(0) == "migration") {
    world_.migrations_fail(how == "fails");
    return;
  }
  using enum rules::DeployOutcome;
  const std::map<std::string, rules::DeployOutcome> outcomes{
      {"succeeds", succeeded},   {"stuck", succeeded}, {"fails", failed}, {"refused", not_started},
      {"rate_limited", refused}, {"unknown", unknown}, {"lost", unknown}, {"hidden", unknown}};
  behaviour_.outcome = outcomes.at(how);
  behaviour_.retry_after = rules::seconds{20};
  behaviour_.listed_after = rules::seconds{how == "hidden" ? 90 : 8};
  behaviour_.heeds_cancel = how != "hidden" && how != "stuck";
  behaviour_.deadline = how == "stuck" ? rules::seconds{60} : rules::minutes{15};
  if (const auto after = arguments.options.find("after"); after != arguments.options.end()) {
    behaviour_.takes = seconds_of(after->second);
  }
  behaviour_.detail = how;
  world_.next_deploys(behaviour_);
}

void Teller::check(const std::string& version) {
  const auto view = world_.loop().check(newest(version));
  if (!view) {
    say("check " + version + ": unknown");
    return;
  }
  say("check " + version + ": " + (view->should_rollback ? "roll back, " : "") + view->reason +
      "; " + rules::number_text(view->error_rate_per_minute) + " errors/minute, " +
      std::to_string(view->recent_errors) + " recent, " +
      (view->healthy ? "healthy" : "unhealthy") + ", " + std::string{rules::name_of(view->state)});
}

void Teller::sum_up() {
  told_ += "deployments:\n";
  std::map<std::int64_t, const rules::Deployment*> rows;
  for (const auto& [id, row] : world_.deployments()) {
    rows[row.row] = &row;
  }
  for (const auto& [number, row] : rows) {
    told_ += "  " + row->service.environment + "/" + row->service.name + " " + row->version + " " +
             std::string{rules::name_of(row->status)} +
             (row->health_check_passed ? " health_check_passed" : "") +
             (row->rollback_from ? " rollback_from=" + name_of_row(*row->rollback_from) : "") +
             "\n";
  }
  told_ += "rollbacks:\n";
  std::map<Instant, const rules::Rollback*> rollbacks;
  for (const auto& [id, rollback] : world_.rollbacks()) {
    rollbacks[rollback.decided_at] = &rollback;
  }
  for (const auto& [at, r] : rollbacks) {
    told_ += "  " + r->version + " -> " + (r->target ? r->target->version : "none") + " " +
             std::string{rules::name_of(r->type)} + " " + std::string{rules::name_of(r->status)} +
             (r->ended_by ? " " + std::string{rules::name_of(*r->ended_by)} : "") + ": " +
             r->reason + "\n";
  }
}

// `approve`, `abort`, `pause`, `resume`, `close_breaker`, `pause_by_sql` and `resume_by_sql`.
bool Teller::people(const std::string& verb, const std::vector<std::string>& words) {
  const auto because = [&words](std::size_t from) {
    std::string reason;
    for (std::size_t i = from; i < words.size(); ++i) {
      reason += (reason.empty() ? "" : " ") + words[i];
    }
    return reason;
  };
  if (verb == "approve" || verb == "abort") {
    rules::EventId event;
    for (const auto& [id, rollback] : world_.rollbacks()) {
      if (!rollback.is_over() && rollback.version == words.at(2)) {
        event = id;
      }
    }
    if (verb == "approve") {
      world_.ask(rules::ApproveRequest{1, event, because(3), "ann"});
    } else {
      world_.ask(rules::AbortRequest{1, event, because(3), "ann"});
    }
  } else if (verb == "pause" || verb == "resume") {
    world_.ask(rules::PauseRequest{1, verb == "pause", because(2), "ann"});
  } else if (verb == "pause_by_sql" || verb == "resume_by_sql") {
    world_.set_pause(verb == "pause_by_sql", because(2));
  } else if (verb == "close_breaker") {
    world_.ask(rules::CloseBreakerRequest{1, words.at(2), because(3), "ann"});
  } else {
    return false;
  }
  return true;
}

void Teller::line(const std::vector<std::string>& words) {
  world_.run_until(clock_of(words.at(0)));
  const std::string& verb = words.at(1);
  const Arguments arguments{words, 2};
  if (verb == "deploy") {
    const auto status = arguments.words.size() > 2
                            ? rules::deployment_status_named(arguments.words[2]).value()
                            : rules::DeploymentStatus::in_progress;
    say("-- " + arguments.words.at(0) + " is deployed (" + std::string{rules::name_of(status)} +
        ")");
    world_.deploy(arguments.service, arguments.words.at(0), arguments.words.at(1), status);
  } else if (verb == "status") {
    world_.set_status(newest(arguments.words.at(0)),
                      rules::deployment_status_named(arguments.words.at(1)).value());
  } else if (verb == "error") {
    errors(arguments);
  } else if (verb == "connections" || verb == "memory") {
    const double percent = std::stod(arguments.words.at(0));
    (verb == "memory" ? *samples_.memory_utilisation : samples_.connection_utilisation) = percent;
    world_.set_samples(samples_);
  } else if (verb == "alert") {
    world_.alert(arguments.words.at(0), arguments.service, arguments.words.at(1) == "fires");
  } else if (verb == "next") {
    next(arguments);
  } else if (verb == "health_url") {
    world_.health_url_answers(arguments.words.at(0) == "ok");
  } else if (verb == "migrate") {
    world_.add_migration(arguments.words.at(0), newest(arguments.words.at(1)));
  } else if (verb == "request" || verb == "request_reverting") {
    std::string reason;
    for (std::size_t i = 3; i < words.size(); ++i) {
      reason += (reason.empty() ? "" : " ") + words[i];
    }
    world_.request_rollback(newest(words.at(2)), reason, verb == "request_reverting");
  } else if (people(verb, words)) {
    return;
  } else if (verb == "restart") {
    say("-- the daemon is killed and started again");
    world_.restart();
  } else if (verb == "check") {
    check(arguments.words.at(0));
  } else if (verb == "end") {
    sum_up();
  } else {
    throw std::runtime_error{"unknown word '" + verb + "'"};
  }
}

}  // namespace

std::string tell_scenario(const std::string& script) {
  std::istringstream in{script};
  rules::Policy policy;
  std::optional<Teller> teller;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const auto words = words_of(line);
    if (words.empty() || words[0][0] == '#') {
      continue;
    }
    try {
      if (words[0] == "policy") {
        for (std::size_t i = 1; i < words.size(); ++i) {
          set_policy(policy, words[i]);
        }
        continue;
      }
      if (!teller) {
        teller.emplace(policy);
      }
      teller->line(words);
    } catch (const std::exception& e) {
      throw std::runtime_error{"line " + std::to_string(number) + ": " + e.what()};
    }
  }
  return teller ? teller->told() : std::string{};
}

}  // namespace rollbackd::tests
