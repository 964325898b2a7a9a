#pragma once

#include <optional>
#include <string>
#include <variant>

#include <nlohmann/json.hpp>

#include "engine/ctl/client.hpp"

namespace rollbackd::ctl {

// The object that a good answer holds, or the exit code after the complaint.
std::variant<nlohmann::json, int> object_in(const Client& client, const Reply& reply);

// The list under a key of that object, or the same.
std::variant<nlohmann::json, int> list_in(const Client& client, const Reply& reply,
                                          const char* key);

// The rows of GET …/deployments with these conditions, or the exit code after the complaint.
std::variant<nlohmann::json, int> ask_deployments(Client& client, const std::string& query);

// The row of the deployment that a person means: by uuid, by the unique beginning of one, or by
// version. Otherwise complains, with what comes near, and gives the exit code.
std::variant<nlohmann::json, int> deployment_meant(Client& client, const std::string& name);

// The same for a rollback: an event_id, the unique beginning of one, or a deployment, of which the
// last rollback is meant. A version that was rolled back in several services is complained about,
// as what is meant may be approved. Gives the event_id.
std::variant<std::string, int> event_meant(Client& client, const std::string& name);

// The row of a rollback, or the exit code.
std::variant<nlohmann::json, int> ask_event(Client& client, const std::string& event);

}  // namespace rollbackd::ctl
