#include "engine/ctl/lookup.hpp"

#include <algorithm>
#include <iostream>
#include <vector>

#include "engine/ctl/screen.hpp"
#include "rules/ids.hpp"

namespace rollbackd::ctl {
namespace {

using nlohmann::json;

constexpr std::size_t prefix_min = 4;
constexpr std::size_t suggestions_max = 5;

std::variant<json, int> ask_list(Client& client, const std::string& path, const char* key) {
  const Reply reply = client.get(path);
  if (!reply.is_good()) {
    return complain(client, reply);
  }
  json body = json::parse(reply.body, nullptr, false);
  if (!body.is_object() || !body.contains(key) || !body[key].is_array()) {
    std::cerr << "rollbackctl: " << client.server() << " does not answer as rollbackd does\n";
    return exit_no_server;
  }
  return body[key];
}

std::string shown(const json& row) {
  return printable(text_of(row, "version")) + "  " + text_of(row, "deployment_id") + "  " +
         printable(text_of(row, "environment")) + "/" + printable(text_of(row, "service")) + "  " +
         text_of(row, "status");
}

// What a person may have meant: the versions that share the most with the name.
void suggest(const std::string& name, const json& rows) {
  std::vector<std::pair<std::size_t, const json*>> near;
  for (const json& row : rows) {
    const std::string version = text_of(row, "version");
    std::size_t same = 0;
    while (same < std::min(version.size(), name.size()) && version[same] == name[same]) {
      ++same;
    }
    near.emplace_back(same, &row);
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  near.resize(std::min(near.size(), suggestions_max));
  for (const auto& [same, row] : near) {
    std::cerr << "  " << shown(*row) << '\n';
  }
}

}  // namespace

std::string text_of(const json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::variant<json, int> ask_deployments(Client& client, const std::string& query) {
  return ask_list(client, "/auto-rollback/deployments" + query, "deployments");
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
    const bool is_id = id == name || (name.size() >= prefix_min && id.starts_with(name));
    if (is_id || text_of(row, "version") == name) {
      found.push_back(row);
    }
  }
  if (found.empty() && rules::DeploymentId::parse(name)) {
    return json{{"deployment_id", name}};  // it may be older than what is listed
  }
  // A version that was rolled back to is there twice: who names it means what serves.
  json serving = json::array();
  for (const json& row : found) {
    if (row.value("current", false)) {
      serving.push_back(row);
    }
  }
  if (found.size() == 1 || serving.size() == 1) {
    return found.size() == 1 ? found[0] : serving[0];
  }
  if (found.empty()) {
    std::cerr << "rollbackctl: no deployment is, or begins with, " << printable(name)
              << (rows.empty() ? "; none is recorded\n" : "; there are, for example:\n");
    suggest(name, rows);
    return exit_refused;
  }
  std::cerr << "rollbackctl: " << printable(name) << " can mean " << found.size()
            << " deployments; name one by its deployment_id:\n";
  for (const json& row : found) {
    std::cerr << "  " << shown(row) << '\n';
  }
  return exit_refused;
}

std::variant<std::string, int> event_meant(Client& client, const std::string& name) {
  if (rules::EventId::parse(name)) {
    return name;
  }
  auto asked = ask_list(client, "/auto-rollback/history?limit=1000", "rollbacks");
  if (const int* code = std::get_if<int>(&asked)) {
    return *code;
  }
  std::vector<std::string> found;
  for (const json& row : std::get<json>(asked)) {
    const std::string id = text_of(row, "event_id");
    if (name.size() >= prefix_min && id.starts_with(name)) {
      found.push_back(id);
    }
  }
  if (found.size() == 1) {
    return found[0];
  }
  std::cerr << "rollbackctl: " << (found.empty() ? "no rollback" : "more than one rollback")
            << " has an event_id that begins with " << printable(name)
            << "; `rollbackctl history` lists them\n";
  return exit_refused;
}

std::variant<json, int> ask_event(Client& client, const std::string& event) {
  const Reply reply = client.get("/auto-rollback/events/" + url_part(event));
  if (!reply.is_good()) {
    return complain(client, reply);
  }
  return json::parse(reply.body, nullptr, false);
}

}  // namespace rollbackd::ctl
