#include <iostream>

#include "engine/ctl/commands.hpp"
#include "engine/ctl/lookup.hpp"
#include "engine/foreign_json.hpp"
#include "engine/terminal/json_parts.hpp"
#include "engine/terminal/rollback_text.hpp"
#include "engine/terminal/screen.hpp"

namespace rollbackd::ctl {
namespace {

using nlohmann::json;
using terminal::age;
using terminal::Colour;
using terminal::coloured;
using terminal::is_true;
using terminal::LiveLine;
using terminal::part;
using terminal::printable;
using terminal::rows_of;
using terminal::shown_of;
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
  std::string text = "rollbackd " + shown_of(about, "role");
  if (const std::string leader = text_of(about, "leader"); !leader.empty()) {
    text += ", " + printable(leader) + " leads";
  }
  const json pause = part(about, "pause");
  if (is_true(pause, "paused")) {
    text += "\n" + coloured(Colour::red, "PAUSED") + " by " + shown_of(pause, "paused_by") +
            " for " + age(text_of(pause, "since")) + ": " + shown_of(pause, "reason");
  }
  for (const json& breaker : rows_of(about, "breakers")) {
    text += "\n" + coloured(Colour::red, "BREAKER OPEN") + " in " +
            shown_of(breaker, "environment") + ": " + shown_of(breaker, "reason");
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
  for (const json& row : rows_of(body, "deployments")) {
    const std::string why = text_of(row, "reason");
    const std::string state =
        text_of(row, "state").empty() ? text_of(row, "status") : text_of(row, "state");
    std::vector<std::string> cells{
        printable(text_of(row, "environment") + "/" + text_of(row, "service")),
        shown_of(row, "version"),
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
                                   part(body, "pause").dump() + part(body, "breakers").dump() +
                                   news};
}

Reply ask_for_overview(Client& client) {
  return client.get("/auto-rollback/deployments?current=true&limit=1000");
}

bool is_overview(const Reply& reply) {
  return reply.is_good() && part(engine::foreign_json(reply.body), "deployments").is_array();
}

}  // namespace

int status(Client& client, const Arguments& arguments) {
  const Reply reply = ask_for_overview(client);
  if (!is_overview(reply)) {
    return complain(client, reply);
  }
  std::cout << (arguments.json ? reply.body + "\n"
                               : overview_of(engine::foreign_json(reply.body)).text);
  return exit_ok;
}

// A daemon that restarts is waited for; one that has never answered is not. It ends with whoever
// reads it, as in a pipe to `grep -m1`.
int watch(Client& client, const Arguments& arguments) {
  const LiveLine line;
  const bool in_place = line.is_terminal() && !arguments.json;
  std::string shown;
  bool has_answered = false;
  while (!terminal::is_unread()) {
    const Reply reply = ask_for_overview(client);
    const bool is_good = is_overview(reply);
    if (!is_good && (!has_answered || reply.status == 401)) {
      return complain(client, reply);
    }
    Overview now{"no answer from " + client.server() + "; asking again\n", "no answer"};
    if (is_good) {
      has_answered = true;
      now = arguments.json ? Overview{reply.body + "\n", reply.body}
                           : overview_of(engine::foreign_json(reply.body));
    }
    if (in_place) {
      std::cout << "\033[H\033[2J" << now.text << std::flush;
    } else if (now.news != shown) {
      (is_good ? std::cout : std::cerr) << now.text << std::flush;
    }
    shown = now.news;
    client.wait(arguments.every);
  }
  return exit_ok;
}

int check(Client& client, const Arguments& arguments) {
  const auto meant = deployment_meant(client, arguments.name);
  if (const int* code = std::get_if<int>(&meant)) {
    return *code;
  }
  const json& row = std::get<json>(meant);
  const Reply reply = client.send("POST", "/auto-rollback/check",
                                  {{"deployment_id", text_of(row, "deployment_id")}});
  const auto told = object_in(client, reply);
  if (const int* code = std::get_if<int>(&told)) {
    return *code;
  }
  const json& body = std::get<json>(told);
  if (!part(body, "should_rollback").is_boolean()) {
    return complain(client, reply);
  }
  const bool is_bad = is_true(body, "should_rollback");
  if (arguments.json) {
    std::cout << reply.body << '\n';
  } else {
    const json health = part(body, "health");
    std::cout << word(text_of(body, "state")) << "  " << shown_of(body, "reason") << "\n"
              << "  errors per minute  " << number_of(health, "error_rate_per_minute") << "\n"
              << "  in 5 minutes       " << number_of(health, "recent_errors") << "\n"
              << "  connections        " << number_of(health, "database_connections") << " ("
              << number_of(body, "connection_utilisation") << " %)\n"
              << "  as of              " << shown_of(health, "timestamp") << "\n";
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
    table.add({printable(text_of(row, "deployment_id").substr(0, id_shown)),
               printable(text_of(row, "environment") + "/" + text_of(row, "service")),
               shown_of(row, "version"), shown_of(row, "git_commit"),
               age(text_of(row, "deployed_at")), word(text_of(row, "status")),
               is_true(row, "health_check_passed") ? "yes" : ""});
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
  const auto told = list_in(client, reply, "rollbacks");
  if (const int* code = std::get_if<int>(&told)) {
    return *code;
  }
  if (arguments.json) {
    std::cout << reply.body << '\n';
    return exit_ok;
  }
  Table table{{"EVENT", "SERVICE", "WHEN", "TYPE", "STATUS", "REASON"}};
  for (const json& row : std::get<json>(told)) {
    table.add({printable(text_of(row, "event_id").substr(0, id_shown)),
               printable(text_of(row, "environment") + "/" + text_of(row, "service")),
               age(text_of(row, "initiated_at")), shown_of(row, "trigger_type"),
               word(text_of(row, "status")), shown_of(row, "trigger_reason")});
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
