#pragma once

#include "rules/input.hpp"

namespace rollbackd::rules {

// The rows of ops.heartbeats are events of this service, which has no deployments and is never
// judged: they show that events are seen.
constexpr std::string_view heartbeat_environment = "rollbackd";
constexpr std::string_view heartbeat_name = "heartbeat";

inline bool is_heartbeat(const EventGroup& group) {
  return !group.deployment && group.service.environment == heartbeat_environment &&
         group.service.name == heartbeat_name;
}

}  // namespace rollbackd::rules
