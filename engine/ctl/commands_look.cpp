#include <iostream>
#include <map>
#include <thread>

#include "engine/ctl/commands.hpp"
#include "engine/ctl/lookup.hpp"
#include "engine/ctl/screen.hpp"

namespace rollbackd::ctl {
namespace {

using nlohmann::json;

constexpr std::size_t id_shown = 8;

Colour colour_of(const std::string& word) {
  static const std::map<std::string, Colour> colours{
      {"healthy", Colour::green},      {"success", Colour::green},
      {"watched", Colour::yellow},     {"held", Colour::yellow},
      {"proposed", Colour::yellow},    {"rolling_back", Colour::yellow},
      {"in_progress", Colour::yellow}, {"pending", Colour::dim},
      {"firing", Colour::red},         {"rejected", Colour::red},
      {"failed", Colour::red},         {"rolled_back", Colour::dim},
      {"aborted", Colour::yellow}};
  const auto found = colours.find(word);
  return found == colours.end() ? Colour::plain : found->second;
}

std::string word(const std::string& text) { return coloured(colour_of(text), text); }

std::string number_of(const json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number() ? found->dump() : "-";
}

// One line about what forbids the daemon to act, and who it is.
std::string standing(const json& about) {
  std::string text = "rollbackd " + text_of(about, "role");
  if (const std::string leader = text_of(about, "leader"); !leader.empty()) {
    text += ", " + printable(leader) + " leads";
  }
  const json pause = about.value("pause", json::object());
  if (pause.value("paused", false)) {
    text += "\n" + coloured(Colour::red, "PAUSED") + " by " +
            printable(text_of(pause, "paused_by")) + " for " + age(text_of(pause, "since")) + ": " +
            printable(text_of(pause, "reason"));
  }
  for (const json& breaker : about.value("breakers", json::array())) {
    text += "\n" + coloured(Colour::red, "BREAKER OPEN") + " in " +
            printable(text_of(breaker, "environment")) + ": " +
            printable(text_of(breaker, "reason"));
  }
  return text + "\n";
}

// What `status` shows, or the exit code.
std::variant<std::string, int> status_text(Client& client, bool as_json) {
  const Reply reply = client.get("/auto-rollback/deployments?current=true&limit=1000");
  if (!reply.is_good()) {
    return complain(client, reply);
  }
  if (as_json) {
    return reply.body + "\n";
  }
  const json body = json::parse(reply.body, nullptr, false);
  Table table{{"SERVICE", "VERSION", "AGE", "ERRORS/MIN", "IN 5 MIN", "STATE", "WHY"}};
  for (const json& row : body.value("deployments", json::array())) {
    const std::string why = text_of(row, "reason");
    table.add({printable(text_of(row, "environment") + "/" + text_of(row, "service")),
               printable(text_of(row, "version")), age(text_of(row, "deployed_at")),
               number_of(row, "error_rate_per_minute"), number_of(row, "recent_errors"),
               word(text_of(row, "state").empty() ? text_of(row, "status") : text_of(row, "state")),
               why == "System healthy" ? "" : printable(why)});
  }
  return standing(body) + table.text();
}

std::string steps_text(const json& row) {
  std::string out;
  for (const json& step : row.value("rollback_steps", json::array())) {
    const std::string error = text_of(step, "error");
    out += "  " + word(text_of(step, "status")) + "  " + text_of(step, "name") +
           (error.empty() ? "" : ": " + printable(error)) + "\n";
  }
  return out;
}

std::string checks_text(const json& validation) {
  Table table{{"  CHECK", "OUTCOME", "MEASURED", "LIMIT"}};
  for (const json& check : validation.value("checks", json::array())) {
    table.add({"  " + text_of(check, "name"), text_of(check, "outcome"),
               printable(check.value("measured", json{}).dump()),
               printable(check.value("limit", json{}).dump())});
  }
  return table.text();
}

std::string evidence_text(const json& plan) {
  const json evidence = plan.value("evidence", json::object());
  std::string out;
  for (const char* key : {"trigger", "measured", "above", "window_seconds", "errors_per_minute",
                          "recent_errors", "connection_utilisation", "entropy", "as_of"}) {
    if (evidence.contains(key)) {
      out += std::string{"  "} + key + ": " + printable(evidence[key].dump()) + "\n";
    }
  }
  return out;
}

}  // namespace

int status(Client& client, const Arguments& arguments) {
  const auto text = status_text(client, arguments.json);
  if (const int* code = std::get_if<int>(&text)) {
    return *code;
  }
  std::cout << std::get<std::string>(text);
  return exit_ok;
}

int watch(Client& client, const Arguments& arguments) {
  const LiveLine line;
  std::string shown;
  while (true) {
    const auto text = status_text(client, arguments.json);
    if (const int* code = std::get_if<int>(&text)) {
      return *code;
    }
    const std::string& now = std::get<std::string>(text);
    if (line.is_terminal() && !arguments.json) {
      std::cout << "\033[H\033[2J" << now << std::flush;
    } else if (now != shown) {
      std::cout << now << std::flush;
    }
    shown = now;
    std::this_thread::sleep_for(arguments.every);
  }
}

int check(Client& client, const Arguments& arguments) {
  const auto meant = deployment_meant(client, arguments.name);
  if (const int* code = std::get_if<int>(&meant)) {
    return *code;
  }
  const json& row = std::get<json>(meant);
  const Reply reply = client.send("POST", "/auto-rollback/check",
                                  {{"deployment_id", text_of(row, "deployment_id")}});
  if (!reply.is_good()) {
    return complain(client, reply);
  }
  const json body = json::parse(reply.body, nullptr, false);
  const bool is_bad = body.value("should_rollback", false);
  if (arguments.json) {
    std::cout << reply.body << '\n';
  } else {
    const json health = body.value("health", json::object());
    std::cout << word(text_of(body, "state")) << "  " << printable(text_of(body, "reason")) << "\n"
              << "  errors per minute  " << number_of(health, "error_rate_per_minute") << "\n"
              << "  in 5 minutes       " << number_of(health, "recent_errors") << "\n"
              << "  connections        " << number_of(health, "database_connections") << " ("
              << number_of(body, "connection_utilisation") << " %)\n"
              << "  as of              " << text_of(health, "timestamp") << "\n";
  }
  return is_bad ? exit_rolled_back : exit_ok;
}

int deployments(Client& client, const Arguments& arguments) {
  std::string query = "?limit=" + std::to_string(arguments.limit);
  for (const auto& [key, value] :
       {std::pair{"environment", arguments.environment}, std::pair{"service", arguments.service},
        std::pair{"status", arguments.status}, std::pair{"version", arguments.version}}) {
    query += value.empty() ? "" : std::string{"&"} + key + "=" + url_part(value);
  }
  const auto asked = ask_deployments(client, query);
  if (const int* code = std::get_if<int>(&asked)) {
    return *code;
  }
  const json& rows = std::get<json>(asked);
  if (arguments.json) {
    std::cout << json{{"deployments", rows}}.dump() << '\n';
    return exit_ok;
  }
  Table table{{"ID", "SERVICE", "VERSION", "COMMIT", "AGE", "STATUS", "PASSED"}};
  for (const json& row : rows) {
    table.add({text_of(row, "deployment_id").substr(0, id_shown),
               printable(text_of(row, "environment") + "/" + text_of(row, "service")),
               printable(text_of(row, "version")), printable(text_of(row, "git_commit")),
               age(text_of(row, "deployed_at")), word(text_of(row, "status")),
               row.value("health_check_passed", json{}) == true ? "yes" : ""});
  }
  std::cout << table.text();
  return exit_ok;
}

int history(Client& client, const Arguments& arguments) {
  std::string query = "?limit=" + std::to_string(arguments.limit);
  for (const auto& [key, value] :
       {std::pair{"environment", arguments.environment}, std::pair{"service", arguments.service},
        std::pair{"status", arguments.status}}) {
    query += value.empty() ? "" : std::string{"&"} + key + "=" + url_part(value);
  }
  const Reply reply = client.get("/auto-rollback/history" + query);
  if (!reply.is_good()) {
    return complain(client, reply);
  }
  if (arguments.json) {
    std::cout << reply.body << '\n';
    return exit_ok;
  }
  const json body = json::parse(reply.body, nullptr, false);
  Table table{{"EVENT", "SERVICE", "WHEN", "TYPE", "STATUS", "REASON"}};
  for (const json& row : body.value("rollbacks", json::array())) {
    table.add({text_of(row, "event_id").substr(0, id_shown),
               printable(text_of(row, "environment") + "/" + text_of(row, "service")),
               age(text_of(row, "initiated_at")), text_of(row, "trigger_type"),
               word(text_of(row, "status")), printable(text_of(row, "trigger_reason"))});
  }
  std::cout << table.text();
  return exit_ok;
}

int show(Client& client, const Arguments& arguments) {
  const auto event = event_meant(client, arguments.name);
  if (const int* code = std::get_if<int>(&event)) {
    return *code;
  }
  const auto asked = ask_event(client, std::get<std::string>(event));
  if (const int* code = std::get_if<int>(&asked)) {
    return *code;
  }
  const json& row = std::get<json>(asked);
  if (arguments.json) {
    std::cout << row.dump() << '\n';
    return exit_ok;
  }
  const json plan = row.value("rollback_plan", json::object());
  const json metadata = row.value("metadata", json::object());
  const json target = plan.value("target", json{});
  std::cout << coloured(Colour::bold, "Rollback " + text_of(row, "event_id")) << "  "
            << word(text_of(row, "status")) << "\n  "
            << printable(text_of(row, "environment") + "/" + text_of(row, "service")) << ": "
            << printable(text_of(plan, "version")) << " → "
            << (target.is_object() ? printable(text_of(target, "version")) : "no target") << "\n  "
            << text_of(row, "trigger_type") << ": " << printable(text_of(row, "trigger_reason"))
            << "\n";
  if (const std::string end = text_of(metadata, "ended_by"); !end.empty()) {
    std::cout << "  ended by: " << end << "\n";
  }
  if (const std::string url = text_of(metadata, "run_url"); !url.empty()) {
    std::cout << "  run: " << printable(url) << "\n";
  }
  std::cout << coloured(Colour::bold, "Evidence") << "\n"
            << evidence_text(plan) << coloured(Colour::bold, "Validation") << "\n"
            << checks_text(row.value("constitutional_validation", json::object()))
            << coloured(Colour::bold, "Steps") << "\n"
            << steps_text(row);
  const json samples = row.value("sample_errors", json::array());
  if (!samples.empty()) {
    std::cout << coloured(Colour::bold, "Errors before the decision") << "\n";
    for (const json& sample : samples) {
      std::cout << "  " << text_of(sample, "timestamp") << "  "
                << printable(text_of(sample, "message")) << "\n";
    }
  }
  return exit_ok;
}

}  // namespace rollbackd::ctl
