#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <pqxx/pqxx>

#include "rules/ids.hpp"
#include "rules/time.hpp"

// Fields of the feed's answers, all of them text.
namespace rollbackd::engine {

inline rules::Instant instant(const pqxx::field& microseconds) {
  return rules::Instant{rules::Duration{microseconds.as<std::int64_t>()}};
}

inline std::optional<rules::DeploymentId> optional_id(const pqxx::field& field) {
  return field.is_null() ? std::nullopt : rules::DeploymentId::parse(field.c_str());
}

inline rules::Service service_of(const pqxx::field& environment, const pqxx::field& name) {
  return {environment.as<std::string>(""), name.as<std::string>("")};
}

}  // namespace rollbackd::engine
