#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace rollbackd::tests {

// The counts in an answer of /check.
struct CheckedHealth {
  std::string timestamp;  // the second they are of
  std::int64_t last_minute = 0;
  std::int64_t five_minutes = 0;
};

// `body`: of an answer with status 200.
inline CheckedHealth checked_health(const std::string& body) {
  const auto health = nlohmann::json::parse(body).at("health");
  return {health.at("timestamp").get<std::string>(),
          static_cast<std::int64_t>(health.at("error_rate_per_minute").get<double>()),
          static_cast<std::int64_t>(health.at("recent_errors").get<double>())};
}

}  // namespace rollbackd::tests
