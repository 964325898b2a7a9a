#include "engine/actions/command.hpp"

#include <cstdlib>
#include <optional>
#include <signal.h>
#include <string_view>
#include <utility>

#include "engine/actions/deploy_values.hpp"
#include "engine/fail_point.hpp"
#include "engine/utf8.hpp"
#include "rules/limits.hpp"
#include "rules/value.hpp"

namespace rollbackd::engine {
namespace {

// Pipes of ended commands that something left behind still holds; the oldest is closed beyond.
constexpr std::size_t left_behind_max = 16;

// What a person wants to read first of a failed command's output.
constexpr std::size_t last_lines_max = 5;

// As the process finds it among its environment variables: ROLLBACKD_EVENT_ID of event_id.
std::string variable_of(std::string_view name) {
  std::string variable = "ROLLBACKD_";
  for (const char c : name) {
    variable.push_back(c == '_' ? c : static_cast<char>(c - 'a' + 'A'));
  }
  return variable;
}

// One pass, so that braces inside a value are nothing but text.
std::string filled_in(std::string_view argument, const DeployValues& values) {
  std::string text;
  while (!argument.empty()) {
    bool found = false;
    for (const DeployValue& p : values) {
      if (argument.front() == '{' && argument.substr(1).starts_with(p.name) &&
          argument.substr(1 + p.name.size()).starts_with('}')) {
        text += p.value;
        argument.remove_prefix(p.name.size() + 2);
        found = true;
        break;
      }
    }
    if (!found) {
      text.push_back(argument.front());
      argument.remove_prefix(1);
    }
  }
  return text;
}

// The program's name is the operator's alone: rows of a table never choose what is executed.
Program program_of(const std::vector<std::string>& argv, const DeployValues& values) {
  Program program;
  program.argv.push_back(argv.front());
  for (std::size_t i = 1; i < argv.size(); ++i) {
    program.argv.push_back(filled_in(argv[i], values));
  }
  for (const char* name : {"PATH", "HOME", "LANG"}) {
    if (const char* value = std::getenv(name); value != nullptr) {
      program.environment.push_back(std::string{name} + '=' + value);
    }
  }
  for (const DeployValue& p : values) {
    program.environment.push_back(variable_of(p.name) + '=' + p.value);
  }
  return program;
}

std::string last_lines(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  std::size_t begin = text.size();
  for (std::size_t lines = 0; lines < last_lines_max && begin != 0; ++lines) {
    const std::size_t line_break = text.rfind('\n', begin - 1);
    if (line_break == std::string_view::npos) {
      begin = 0;
      break;
    }
    begin = line_break;
  }
  text.remove_prefix(begin < text.size() && text[begin] == '\n' ? begin + 1 : begin);
  return std::string{text};
}

std::string described(const ChildEnd& end, rules::Duration timeout) {
  std::string text;
  switch (end.how) {
    case ChildEnd::How::exited:
      text = "exit status " + std::to_string(end.code);
      break;
    case ChildEnd::How::killed:
      text = "killed by signal " + std::to_string(end.code);
      break;
    case ChildEnd::How::timed_out:
      text = "timed out after " + rules::number_text(rules::in_seconds(timeout)) + " s";
      break;
    case ChildEnd::How::stuck:
      text = "timed out after " + rules::number_text(rules::in_seconds(timeout)) +
             " s, and SIGKILL did not end it";
      break;
    case ChildEnd::How::lost:
      text = "its exit status was taken by something else";
      break;
  }
  if (const std::string lines = last_lines(end.output); !lines.empty()) {
    text += ": " + cut_start(lines, rules::limits::detail_text_max - text.size() - 2);
  }
  return text;
}

rules::DeployOutcome outcome_of(const ChildEnd& end) {
  switch (end.how) {
    case ChildEnd::How::exited:
      return end.code == 0 ? rules::DeployOutcome::succeeded : rules::DeployOutcome::failed;
    case ChildEnd::How::killed:
    case ChildEnd::How::timed_out:
      return rules::DeployOutcome::failed;
    case ChildEnd::How::stuck:
    case ChildEnd::How::lost:
      return rules::DeployOutcome::unknown;
  }
  UNREACHABLE("a way to end without an outcome");
}

// Whoever started the daemon may have left SIGCHLD ignored, and then exit statuses are thrown away.
void let_children_be_waited_for() {
  struct sigaction current {};
  if (sigaction(SIGCHLD, nullptr, &current) == 0 && current.sa_handler == SIG_IGN) {
    signal(SIGCHLD, SIG_DFL);
  }
}

}  // namespace

Command::Command(asio::io_context& reactor, Inbox& inbox, Log& log, CommandSettings settings)
    : Command{reactor, inbox, log,
              [settings = std::move(settings)](const rules::Service&) { return settings; }} {}

Command::Command(asio::io_context& reactor, Inbox& inbox, Log& log, SettingsOf settings_of)
    : reactor_{reactor}, inbox_{inbox}, log_{log}, settings_of_{std::move(settings_of)} {
  let_children_be_waited_for();
}

Command::~Command() {
  for (const auto& [event, child] : children_) {
    child->abandon();
  }
  for (const auto& child : left_behind_) {
    child->abandon();
  }
}

std::vector<rules::EventId> Command::running() const {
  std::vector<rules::EventId> events;
  for (const auto& [event, child] : children_) {
    events.push_back(event);
  }
  return events;
}

void Command::deploy(const rules::Deploy& deploy, SteadyTime leave_by) {
  if (children_.contains(deploy.event)) {
    // Answering would be taken for the end of the one that runs.
    log_.error("command_asked_twice", {{"event_id", deploy.event.text()}});
    return;
  }
  const CommandSettings settings = settings_of_(deploy.service);
  const DeployValues values = values_of(deploy);
  if (settings.argv.empty()) {
    return refuse(deploy, {"no command is configured", "set rollback.command.argv"});
  }
  if (children_.size() >= children_max) {
    return refuse(deploy, {std::to_string(children_max) + " commands are running already",
                           "look at what they wait for"});
  }
  if (const auto unsafe = look_at(values)) {
    return refuse(deploy, *unsafe);
  }
  const Program program = program_of(settings.argv, values);
  fail_point("command_starts");
  if (steady_now() > leave_by) {
    log_.warning("command_too_late", {{"event_id", deploy.event.text()}});
    inbox_.post(rules::DeployEnded{
        deploy.event, rules::DeployOutcome::refused,
        "too much time has passed since the pause was read, and nothing was started",
        rules::seconds{1}});
    return;
  }
  auto child = Child::start(reactor_, program, {settings.timeout, settings.grace, settings.pidfd},
                            [this, event = deploy.event, timeout = settings.timeout](
                                const ChildEnd& end) { ended(event, end, timeout); });
  if (!child) {
    return refuse(deploy, child.error());
  }
  fail_point("command_started");
  const auto pid = static_cast<std::int64_t>((*child)->pid());
  children_.emplace(deploy.event, *child);
  log_.info("command_started",
            {{"event_id", deploy.event.text()}, {"program", settings.argv.front()}, {"pid", pid}});
  inbox_.post(rules::DeployStarted{deploy.event,
                                   settings.argv.front() + ", process " + std::to_string(pid)});
}

void Command::follow(const rules::FollowDeploy& wanted) {
  inbox_.post(rules::DeployEnded{wanted.event, rules::DeployOutcome::unknown,
                                 "the daemon stopped between the claim and the deploy's end"});
}

void Command::refuse(const rules::Deploy& deploy, const Error& why) {
  std::string detail = why.what;
  if (!why.remedy.empty()) {
    detail += "; " + why.remedy;
  }
  log_.error("command_not_started", {{"event_id", deploy.event.text()}, {"detail", detail}});
  inbox_.post(
      rules::DeployEnded{deploy.event, rules::DeployOutcome::not_started, std::move(detail)});
}

void Command::ended(const rules::EventId& event, const ChildEnd& end, rules::Duration timeout) {
  const auto entry = children_.find(event);
  INVARIANT(entry != children_.end());
  keep_listening(std::move(entry->second));
  children_.erase(entry);
  const rules::DeployOutcome outcome = outcome_of(end);
  std::string detail = described(end, timeout);
  log_.write(outcome == rules::DeployOutcome::succeeded ? LogLevel::info : LogLevel::error,
             "command_ended", {{"event_id", event.text()}, {"detail", detail}});
  inbox_.post(rules::DeployEnded{event, outcome, std::move(detail)});
}

void Command::keep_listening(std::shared_ptr<Child> child) {
  std::erase_if(left_behind_, [](const auto& other) { return !other->is_listening(); });
  left_behind_.push_back(std::move(child));
  if (left_behind_.size() > left_behind_max) {
    left_behind_.front()->hush();
    left_behind_.pop_front();
  }
}

}  // namespace rollbackd::engine
