#include <iostream>
#include <thread>

#include "engine/ctl/commands.hpp"
#include "engine/ctl/lookup.hpp"
#include "engine/terminal/rollback_text.hpp"
#include "engine/terminal/screen.hpp"

namespace rollbackd::ctl {
namespace {

using nlohmann::json;
using terminal::age;
using terminal::Colour;
using terminal::coloured;
using terminal::LiveLine;
using terminal::printable;
using terminal::Table;
using terminal::text_of;
using terminal::word;

constexpr std::size_t id_shown = 8;

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

// A number beside the limit above which it rolls back.
std::string against_limit(const json& row, const char* key, const char* limit) {
  const std::string above = number_of(row, limit);
  return number_of(row, key) + (above == "-" ? "" : " / " + above);
}

// What `status` shows.
struct Overview {
  std::string text;
  std::string news;  // the same without what changes by itself, the ages
};

Overview overview_of(const json& body) {
  Table table{{"SERVICE", "VERSION", "AGE", "ERRORS/MIN", "IN 5 MIN", "STATE", "WHY"}};
  std::string news;
  for (const json& row : body.value("deployments", json::array())) {
    const std::string why = text_of(row, "reason");
    const std::string state =
        text_of(row, "state").empty() ? text_of(row, "status") : text_of(row, "state");
    std::vector<std::string> cells{
        printable(text_of(row, "environment") + "/" + text_of(row, "service")),
        printable(text_of(row, "version")),
        age(text_of(row, "deployed_at")),
        against_limit(row, "error_rate_per_minute", "error_rate_above"),
        against_limit(row, "recent_errors", "recent_errors_above"),
        word(state),
        why == "System healthy" ? "" : printable(why)};
    for (std::size_t i = 0; i < cells.size(); ++i) {
      news += i == 2 ? "" : cells[i] + "\t";
    }
    table.add(std::move(cells));
  }
  const std::string head = standing(body);
  return {head + table.text(), text_of(body, "role") + text_of(body, "leader") +
                                   body.value("pause", json{}).dump() +
                                   body.value("breakers", json{}).dump() + news};
}

Reply ask_for_overview(Client& client) {
  return client.get("/auto-rollback/deployments?current=true&limit=1000");
}

}  // namespace

int status(Client& client, const Arguments& arguments) {
  const Reply reply = ask_for_overview(client);
  if (!reply.is_good()) {
    return complain(client, reply);
  }
  std::cout << (arguments.json ? reply.body + "\n"
                               : overview_of(json::parse(reply.body, nullptr, false)).text);
  return exit_ok;
}

// A daemon that restarts is waited for; one that has never answered is not.
int watch(Client& client, const Arguments& arguments) {
  const LiveLine line;
  const bool in_place = line.is_terminal() && !arguments.json;
  std::string shown;
  bool has_answered = false;
  while (true) {
    const Reply reply = ask_for_overview(client);
    if (!reply.is_good() && (!has_answered || reply.status == 401)) {
      return complain(client, reply);
    }
    Overview now{"no answer from " + client.server() + "; asking again\n", "no answer"};
    if (reply.is_good()) {
      has_answered = true;
      now = arguments.json ? Overview{reply.body + "\n", reply.body}
                           : overview_of(json::parse(reply.body, nullptr, false));
    }
    if (in_place) {
      std::cout << "\033[H\033[2J" << now.text << std::flush;
    } else if (now.news != shown) {
      (reply.is_good() ? std::cout : std::cerr) << now.text << std::flush;
    }
    shown = now.news;
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
  std::cout << terminal::rollback_text(row);
  return exit_ok;
}

}  // namespace rollbackd::ctl
