#include <iostream>
#include <set>

#include "engine/ctl/commands.hpp"
#include "engine/ctl/lookup.hpp"
#include "engine/foreign_json.hpp"
#include "engine/terminal/json_parts.hpp"
#include "engine/terminal/screen.hpp"

namespace rollbackd::ctl {
namespace {

using nlohmann::json;
using terminal::printable;
using terminal::text_of;

constexpr std::chrono::seconds typing_patience{1};

json rows_at(Client& client, const std::string& path, const char* key) {
  const Reply reply = client.get(path, typing_patience);
  return reply.is_good() ? terminal::rows_of(engine::foreign_json(reply.body), key) : json::array();
}

void say(const std::string& word, const std::string& about) {
  if (!word.empty()) {
    std::cout << printable(word) << '\t' << printable(about) << '\n';
  }
}

std::string service_of(const json& row) {
  return text_of(row, "environment") + "/" + text_of(row, "service");
}

}  // namespace

int complete(Client& client, const Arguments& arguments) {
  if (arguments.name == "events") {
    for (const json& row : rows_at(client, "/auto-rollback/history?limit=50", "rollbacks")) {
      say(text_of(row, "event_id"),
          text_of(row, "status") + " " + service_of(row) + " " + text_of(row, "trigger_reason"));
    }
    return exit_ok;
  }
  const json rows = rows_at(client, "/auto-rollback/deployments?limit=50", "deployments");
  std::set<std::string> told;
  for (const json& row : rows) {
    if (arguments.name == "environments") {
      const std::string environment = text_of(row, "environment");
      if (told.insert(environment).second) {
        say(environment, "environment");
      }
    } else {
      const std::string about =
          text_of(row, "version") + " " + service_of(row) + " " + text_of(row, "status");
      if (told.insert(text_of(row, "version")).second) {
        say(text_of(row, "version"), service_of(row) + " " + text_of(row, "status"));
      }
      say(text_of(row, "deployment_id"), about);
    }
  }
  return exit_ok;
}

}  // namespace rollbackd::ctl
