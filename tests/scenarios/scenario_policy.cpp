#include "tests/scenarios/scenario_policy.hpp"

#include <map>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace rollbackd::tests {
namespace {

rules::Trigger trigger_of(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in{text};
  for (std::string part; std::getline(in, part, ':');) {
    parts.push_back(part);
  }
  return {parts.at(0),
          rules::signal_named(parts.at(1)).value(),
          std::stoll(parts.at(2)),
          std::stod(parts.at(3)),
          seconds_of(parts.at(4)),
          parts.at(5) == "warn" ? rules::TriggerAction::warn : rules::TriggerAction::rollback,
          parts.size() > 6 ? parts[6] : ""};
}

}  // namespace

rules::Duration seconds_of(const std::string& text) {
  return rules::Duration{static_cast<std::int64_t>(std::stod(text) * 1e6)};
}

void set_policy(rules::Policy& policy, const std::string& setting) {
  const auto equals = setting.find('=');
  const std::string key = setting.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : setting.substr(equals + 1);
  const std::map<std::string, rules::Duration rules::Policy::*> durations{
      {"confirm", &rules::Policy::confirm},         {"settle", &rules::Policy::settle},
      {"cooldown", &rules::Policy::cooldown},       {"probation", &rules::Policy::probation},
      {"stale_after", &rules::Policy::stale_after}, {"max_age", &rules::Policy::max_age},
      {"ask_expires", &rules::Policy::ask_expires}, {"blame_window", &rules::Policy::blame_window},
  };
  if (const auto known = durations.find(key); known != durations.end()) {
    policy.*(known->second) = seconds_of(value);
  } else if (key == "verify_window") {
    policy.verify_window = std::stoll(value);
  } else if (key == "healthy_below") {
    policy.verify_healthy_below = std::stod(value);
  } else if (key == "no_triggers") {
    policy.triggers.clear();
  } else if (key == "trigger") {
    policy.triggers.push_back(trigger_of(value));
  } else if (key == "executor") {
    policy.executor = value;
  } else if (key == "mode") {
    policy.mode = value == "ask"      ? rules::Mode::ask
                  : value == "shadow" ? rules::Mode::shadow
                                      : rules::Mode::automatic;
  } else if (key == "max_per_hour") {
    policy.max_per_hour = std::stoi(value);
  } else if (key == "may_revert_migrations") {
    policy.may_revert_migrations = true;
  } else if (key == "health_url") {
    policy.verify_health_url = true;
  } else {
    throw std::runtime_error{"unknown policy '" + key + "'"};
  }
}

}  // namespace rollbackd::tests
