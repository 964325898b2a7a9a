#include <chrono>
#include <iostream>
#include <optional>
#include <set>
#include <unistd.h>

#include "engine/clock.hpp"
#include "engine/ctl/commands.hpp"
#include "engine/ctl/lookup.hpp"
#include "engine/foreign_json.hpp"
#include "engine/terminal/json_parts.hpp"
#include "engine/terminal/reason_text.hpp"
#include "engine/terminal/screen.hpp"

namespace rollbackd::ctl {
namespace {

using engine::steady_now;
using engine::SteadyTime;
using nlohmann::json;

using terminal::bar;
using terminal::Colour;
using terminal::coloured;
using terminal::is_true;
using terminal::LiveLine;
using terminal::part;
using terminal::printable;
using terminal::rows_of;
using terminal::shown_of;
using terminal::text_of;

constexpr std::chrono::milliseconds look_every{250};
// Longer than the daemon takes to find that the database does not answer it.
constexpr std::chrono::seconds look_deadline{15};

std::string seconds_since(SteadyTime begun) {
  const auto tenths =
      std::chrono::duration_cast<std::chrono::milliseconds>(steady_now() - begun).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

bool is_over(const std::string& status) {
  return status == "success" || status == "failed" || status == "aborted";
}

std::string length_of(const json& from, const char* first, const char* last) {
  const auto begun = terminal::moment_of(text_of(from, first));
  const auto ended = terminal::moment_of(text_of(from, last));
  return begun && ended ? "  " + terminal::length_text(*ended - *begun) : "";
}

// A line for each step that has ended since the last look; gives how many have, and which is at
// hand.
struct Progress {
  std::size_t done = 0;
  std::string at_hand;
};

Progress tell_steps(const json& steps, std::set<std::string>& told, LiveLine& line, bool silent) {
  Progress progress;
  for (const json& step : steps) {
    const std::string status = text_of(step, "status");
    const std::string name = shown_of(step, "name");
    const bool has_ended = status != "pending" && status != "in_progress";
    progress.done += has_ended ? 1U : 0U;
    progress.at_hand = status == "in_progress" ? name : progress.at_hand;
    if (has_ended && told.insert(name).second && !silent) {
      const std::string error = text_of(step, "error");
      line.say("  " + terminal::word(status) + "  " + name +
               length_of(step, "started_at", "completed_at") +
               (error.empty() ? "" : ": " + printable(error)));
    }
  }
  return progress;
}

// What became of it, and what to do where that is not what was wanted.
int tell_end(const json& row, bool as_json) {
  const std::string status = text_of(row, "status");
  if (as_json) {
    std::cout << row.dump() << '\n';
  } else {
    const std::string why = text_of(part(row, "metadata"), "ended_by");
    const auto reason = rules::reason_named(why);
    std::cout << (status == "success" ? coloured(Colour::green, "Rollback complete")
                                      : coloured(Colour::red, "Rollback " + printable(status)))
              << (why.empty() ? "" : ": " + printable(why))
              << length_of(row, "initiated_at", "completed_at") << "\n";
    if (status != "success" && reason) {
      const terminal::ReasonText text = terminal::text_of(*reason);
      std::cout << "  " << text.meaning << (text.remedy.empty() ? "" : "\n  ") << text.remedy
                << "\n";
    }
  }
  return status == "success" ? exit_ok : exit_failed;
}

// Follows a rollback through its steps until it has ended, and gives the exit code of DESIGN.md. A
// daemon that restarts is waited for.
int follow(Client& client, const std::string& event, const Arguments& arguments) {
  LiveLine line;
  std::set<std::string> told;
  const SteadyTime begun = steady_now();
  SteadyTime answered = begun;
  while (true) {
    const Reply reply = client.get("/auto-rollback/events/" + url_part(event), look_deadline);
    const json row = reply.is_good() ? engine::foreign_json(reply.body) : json{};
    if (!row.is_object()) {
      if (steady_now() - answered >= arguments.patience) {
        line.clear();
        const int code = complain(client, reply);
        std::cerr << "  The rollback goes on without us: `rollbackctl show " << printable(event)
                  << "` tells how it stands.\n";
        return code;
      }
      line.show("  no answer from " + client.server() + "; the rollback goes on without us");
      client.wait(look_every);
      continue;
    }
    answered = steady_now();
    const json steps = rows_of(row, "rollback_steps");
    const Progress progress = tell_steps(steps, told, line, arguments.json);
    if (is_over(text_of(row, "status"))) {
      line.clear();
      return tell_end(row, arguments.json);
    }
    if (!arguments.json) {
      line.show("  " + bar(progress.done, steps.size()) + " " + progress.at_hand + "  " +
                seconds_since(begun));
    }
    client.wait(look_every);
  }
}

bool is_confirmed(const std::string& question) {
  if (isatty(STDIN_FILENO) != 1) {
    std::cerr << "rollbackctl: this is no terminal, so that nobody can be asked; --yes says yes\n";
    return false;
  }
  std::cerr << question << " [y/N] " << std::flush;  // what reads stdout does not hear it
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

void print_plan(std::ostream& out, const json& row, const json& plan) {
  const json target = part(plan, "target_deployment");
  out << coloured(Colour::bold, "Roll back ") << shown_of(row, "version") << " ("
      << shown_of(row, "deployment_id") << ")\n  "
      << printable(text_of(row, "environment") + "/" + text_of(row, "service")) << " → "
      << (target.is_object()
              ? shown_of(target, "version") + " (commit " + shown_of(target, "git_commit") + ")"
              : "no target")
      << "\n";
  const json validation = part(plan, "validation");
  out << "  Constitutional validation: "
      << (is_true(validation, "compliant") ? coloured(Colour::green, "PASSED")
                                           : coloured(Colour::red, "FAILED"))
      << "\n";
  for (const auto& text : rows_of(validation, "warnings")) {
    out << "  " << terminal::word("warning") << ": "
        << printable(text.is_string() ? text.get<std::string>() : "") << "\n";
  }
}

json execute_body(const json& row, const Arguments& arguments, bool dry_run) {
  json body{{"deployment_id", text_of(row, "deployment_id")},
            {"trigger_reason", arguments.reason},
            {"dry_run", dry_run},
            {"revert_migrations", arguments.revert_migrations}};
  if (!arguments.overrides.empty()) {
    body["override"] = arguments.overrides;
  }
  if (!arguments.initiated_by.empty()) {
    body["initiated_by"] = arguments.initiated_by;
  }
  return body;
}

int say_done(Client& client, const Reply& reply, const Arguments& arguments,
             const std::string& text) {
  if (!reply.is_good() && !was_done_before(reply)) {
    return complain(client, reply);
  }
  std::cout << (arguments.json ? reply.body : text) << '\n';
  return exit_ok;
}

}  // namespace

int rollback(Client& client, const Arguments& arguments) {
  const auto meant = deployment_meant(client, arguments.name);
  if (const int* code = std::get_if<int>(&meant)) {
    return *code;
  }
  const json& row = std::get<json>(meant);
  const Reply plan = client.send("POST", "/auto-rollback", execute_body(row, arguments, true));
  const auto planned = object_in(client, plan);
  if (const int* code = std::get_if<int>(&planned)) {
    return *code;
  }
  if (arguments.dry_run && arguments.json) {
    std::cout << plan.body << '\n';
    return exit_ok;
  }
  if (!arguments.json || !arguments.yes) {
    print_plan(arguments.json ? std::cerr : std::cout, row, std::get<json>(planned));
  }
  if (arguments.dry_run) {
    return exit_ok;
  }
  if (!arguments.yes && !is_confirmed("Execute?")) {
    return exit_refused;
  }
  // The answer is wanted as soon as it is decided: the rest is followed.
  const Reply begun = client.act("POST", "/auto-rollback", execute_body(row, arguments, false),
                                 std::chrono::seconds{60}, "wait=0");
  const json body = engine::foreign_json(begun.body);
  const auto event = rules::EventId::parse(text_of(body, "event_id"));
  // 409 is of the rollback that is in the way, except when this one has ended already.
  const bool is_other = begun.status == 409 && text_of(body, "status") != "aborted";
  if (!event || is_other) {
    return complain(client, begun);
  }
  if (!arguments.json) {
    std::cout << "Rollback " << event->text() << "\n";
  }
  return follow(client, event->text(), arguments);
}

int approve(Client& client, const Arguments& arguments) {
  const auto event = event_meant(client, arguments.name);
  if (const int* code = std::get_if<int>(&event)) {
    return *code;
  }
  const Reply reply =
      client.act("POST", "/auto-rollback/approve",
                 {{"event_id", std::get<std::string>(event)}, {"reason", arguments.reason}});
  if (!reply.is_good()) {
    return complain(client, reply);
  }
  return follow(client, std::get<std::string>(event), arguments);
}

int abort(Client& client, const Arguments& arguments) {
  const auto event = event_meant(client, arguments.name);
  if (const int* code = std::get_if<int>(&event)) {
    return *code;
  }
  const Reply reply =
      client.act("POST", "/auto-rollback/abort",
                 {{"event_id", std::get<std::string>(event)}, {"reason", arguments.reason}});
  return say_done(
      client, reply, arguments,
      "Aborted: nothing was dispatched. Until something else is deployed the service is "
      "not rolled back by itself.");
}

int pause(Client& client, const Arguments& arguments) {
  const Reply reply = client.act("POST", "/auto-rollback/pause", {{"reason", arguments.reason}});
  return say_done(client, reply, arguments,
                  "Paused: nothing is rolled back until `rollbackctl resume`.");
}

int resume(Client& client, const Arguments& arguments) {
  json body{{"reason", arguments.reason.empty() ? "resumed from a terminal" : arguments.reason}};
  if (!arguments.breaker.empty()) {
    body["breaker"] = arguments.breaker;
  }
  const Reply reply = client.act("POST", "/auto-rollback/resume", body);
  return say_done(client, reply, arguments,
                  arguments.breaker.empty()
                      ? "Resumed."
                      : "The breaker of " + printable(arguments.breaker) + " is closed.");
}

int record(Client& client, const Arguments& arguments) {
  if (!arguments.deployment.empty()) {
    const auto meant = deployment_meant(client, arguments.deployment);
    if (const int* code = std::get_if<int>(&meant)) {
      return *code;
    }
    const std::string id = text_of(std::get<json>(meant), "deployment_id");
    const Reply reply = client.act("PATCH", "/auto-rollback/deployments/" + url_part(id),
                                   {{"status", arguments.status}});
    return say_done(client, reply, arguments, printable(id));
  }
  const Reply reply =
      client.act("POST", "/auto-rollback/deployments",
                 {{"environment", arguments.environment},
                  {"service", arguments.service.empty() ? "app" : arguments.service},
                  {"version", arguments.version},
                  {"git_commit", arguments.commit},
                  {"git_branch", arguments.branch},
                  {"status", arguments.status.empty() ? "in_progress" : arguments.status}});
  const auto id =
      rules::DeploymentId::parse(text_of(engine::foreign_json(reply.body), "deployment_id"));
  return id ? say_done(client, reply, arguments, id->text()) : complain(client, reply);
}

namespace {

// Says what became of the deployment, if it is decided; nothing: it has to be waited for.
std::optional<int> gate_verdict(const json& row, const Arguments& arguments, LiveLine& line,
                                SteadyTime begun) {
  const std::string state = text_of(row, "state");
  const std::string status = text_of(row, "status");
  const bool is_going_back =
      status == "rolled_back" || state == "rolling_back" || state == "rolled_back";
  const bool has_passed = is_true(row, "health_check_passed");
  if (!is_going_back && !has_passed && status != "failed") {
    return std::nullopt;
  }
  line.clear();
  if (arguments.json) {
    std::cout << row.dump() << '\n';
  } else if (is_going_back) {
    std::cout << coloured(Colour::red, "Rolled back, or about to be") << ": "
              << shown_of(row, "reason") << "\n  rollbackctl show "
              << shown_of(row, "deployment_id") << '\n';
  } else if (status == "failed") {
    std::cout << coloured(Colour::red, "Failed") << ": its status is failed\n";
  } else {
    std::cout << coloured(Colour::green, "Passed its probation") << " (" << seconds_since(begun)
              << ").\n";
  }
  if (is_going_back) {
    return exit_rolled_back;
  }
  return status == "failed" ? exit_failed : exit_ok;
}

}  // namespace

// 0 when it has passed its probation, 3 as soon as its rollback has begun.
int gate(Client& client, const Arguments& arguments) {
  const auto meant = deployment_meant(client, arguments.name);
  if (const int* code = std::get_if<int>(&meant)) {
    return *code;
  }
  const std::string id = text_of(std::get<json>(meant), "deployment_id");
  LiveLine line;
  std::string last = "it was not seen";
  const SteadyTime begun = steady_now();
  while (steady_now() - begun < arguments.timeout) {
    const Reply reply =
        client.get("/auto-rollback/deployments?limit=1&deployment_id=" + url_part(id));
    const json rows = rows_of(engine::foreign_json(reply.body), "deployments");
    if (reply.is_good() && !rows.empty()) {
      const json& row = rows[0];
      if (const auto code = gate_verdict(row, arguments, line, begun)) {
        return *code;
      }
      const std::string reason = text_of(row, "reason");
      last = shown_of(row, "status") + ", " + shown_of(row, "state") +
             (reason.empty() || reason == "System healthy" ? "" : ": " + printable(reason));
    } else {
      last = "no answer from " + client.server();
    }
    if (!arguments.json) {
      line.show("  " + last + "  " + seconds_since(begun));
    }
    client.wait(std::chrono::seconds{1});
  }
  line.clear();
  std::cerr << "rollbackctl: not passed within " << arguments.timeout.count() << " s: " << last
            << '\n';
  return exit_timed_out;
}

}  // namespace rollbackd::ctl
