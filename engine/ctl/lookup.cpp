#include "engine/ctl/lookup.hpp"

#include <chrono>
#include <iostream>
#include <optional>
#include <set>
#include <vector>

#include "engine/foreign_json.hpp"
#include "engine/terminal/json_parts.hpp"
#include "engine/terminal/near.hpp"
#include "engine/terminal/screen.hpp"
#include "rules/ids.hpp"

namespace rollbackd::ctl {
namespace {

using nlohmann::json;
using terminal::printable;
using terminal::text_of;

constexpr std::size_t prefix_min = 4;
// Without this answer a uuid is an event_id: who stops a rollback has no more time.
constexpr std::chrono::seconds hint_patience{2};

void suggest(const std::string& name, const json& rows) {
  for (const std::string& line : terminal::near_matches(name, rows)) {
    std::cerr << "  " << line << '\n';
  }
}

bool is_beginning(const std::string& name, const std::string& id) {
  return id == name || (name.size() >= prefix_min && id.starts_with(name));
}

// The last rollback of a deployment, or of what was deployed under a version: of each service that
// has had it, as a version is mostly deployed to several. The rows are the newest first.
json last_of_each_service(const std::string& name, const json& rows) {
  json found = json::array();
  std::set<std::string> deployments;
  std::set<std::string> services;
  for (const json& row : rows) {
    const std::string deployment = text_of(row, "deployment_id");
    const bool is_of_it = text_of(terminal::part(row, "rollback_plan"), "version") == name ||
                          is_beginning(name, deployment);
    // Who writes a row by hand may leave its service out.
    if (is_of_it && deployments.insert(deployment).second &&
        services.insert(text_of(row, "environment") + "/" + text_of(row, "service")).second) {
      found.push_back(row);
    }
  }
  return found;
}

// The last rollback of the deployment with this whole id; nothing: it has none, or nobody says so.
std::optional<std::string> last_event_of(Client& client, const std::string& id) {
  const Reply reply =
      client.get("/auto-rollback/history?limit=1&deployment_id=" + url_part(id), hint_patience);
  const json rows =
      terminal::rows_of(reply.is_good() ? engine::foreign_json(reply.body) : json{}, "rollbacks");
  const bool is_its =
      !rows.empty() && rules::DeploymentId::parse(text_of(rows[0], "deployment_id")) ==
                           rules::DeploymentId::parse(id);
  return is_its ? std::optional{text_of(rows[0], "event_id")} : std::nullopt;
}

// "Deployment not found" is said with what comes near.
int no_deployment(const std::string& name, const json& rows) {
  std::cerr << "rollbackctl: no deployment is, or begins with, " << printable(name)
            << (rows.empty() ? "; none is recorded\n" : "; there are, for example:\n");
  suggest(name, rows);
  return exit_refused;
}

}  // namespace

std::variant<json, int> object_in(const Client& client, const Reply& reply) {
  json body = reply.is_good() ? engine::foreign_json(reply.body) : json{};
  if (!body.is_object()) {
    return complain(client, reply);
  }
  return body;
}

std::variant<json, int> list_in(const Client& client, const Reply& reply, const char* key) {
  auto body = object_in(client, reply);
  if (std::holds_alternative<int>(body)) {
    return body;
  }
  json list = terminal::part(std::get<json>(body), key);
  if (!list.is_array()) {
    return complain(client, reply);
  }
  return list;
}

std::variant<json, int> ask_deployments(Client& client, const std::string& query) {
  return list_in(client, client.get("/auto-rollback/deployments" + query), "deployments");
}

std::variant<json, int> deployment_meant(Client& client, const std::string& name) {
  auto asked = ask_deployments(client, "?limit=1000");
  if (std::holds_alternative<int>(asked)) {
    return asked;
  }
  const json& rows = std::get<json>(asked);
  json found = json::array();
  for (const json& row : rows) {
    const std::string id = text_of(row, "deployment_id");
    if (is_beginning(name, id) || text_of(row, "version") == name) {
      found.push_back(row);
    }
  }
  if (found.empty() && rules::DeploymentId::parse(name)) {
    // It may be older than what is listed.
    auto older = ask_deployments(client, "?limit=1&deployment_id=" + url_part(name));
    if (std::holds_alternative<int>(older) || !std::get<json>(older).empty()) {
      return std::holds_alternative<int>(older) ? older : std::get<json>(older)[0];
    }
  }
  // A version that was rolled back to is there twice: who names it means what serves.
  json serving = json::array();
  for (const json& row : found) {
    if (terminal::is_true(row, "current")) {
      serving.push_back(row);
    }
  }
  if (found.size() == 1 || serving.size() == 1) {
    return found.size() == 1 ? found[0] : serving[0];
  }
  if (found.empty()) {
    return no_deployment(name, rows);
  }
  std::cerr << "rollbackctl: " << printable(name) << " can mean " << found.size()
            << " deployments; name one by its deployment_id:\n";
  suggest(name, found);
  return exit_refused;
}

std::variant<std::string, int> event_meant(Client& client, const std::string& name) {
  if (rules::EventId::parse(name)) {
    return last_event_of(client, name).value_or(name);
  }
  auto asked = list_in(client, client.get("/auto-rollback/history?limit=1000"), "rollbacks");
  if (const int* code = std::get_if<int>(&asked)) {
    return *code;
  }
  const json& rows = std::get<json>(asked);
  json found = json::array();
  for (const json& row : rows) {
    if (name.size() >= prefix_min && text_of(row, "event_id").starts_with(name)) {
      found.push_back(row);
    }
  }
  if (found.empty()) {
    found = last_of_each_service(name, rows);
  }
  if (found.size() == 1) {
    return text_of(found[0], "event_id");
  }
  if (!found.empty()) {
    std::cerr << "rollbackctl: " << printable(name) << " can mean " << found.size()
              << " rollbacks; name one by its event_id:\n";
    suggest(name, found);
    return exit_refused;
  }
  std::cerr << "rollbackctl: no rollback has an event_id that begins with, or a deployment called, "
            << printable(name)
            << (rows.empty() ? "; there was none yet\n" : "; there are, for example:\n");
  suggest(name, rows);
  return exit_refused;
}

std::variant<json, int> ask_event(Client& client, const std::string& event) {
  return object_in(client, client.get("/auto-rollback/events/" + url_part(event)));
}

}  // namespace rollbackd::ctl
