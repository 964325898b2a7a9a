#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rules/ids.hpp"
#include "rules/time.hpp"
#include "rules/trigger_table.hpp"

namespace rollbackd::rules {

// What an automatic rollback does about its decision.
enum class Mode { automatic, ask, shadow };

std::string_view name_of(Mode mode);  // auto, ask, shadow

// Everything a decision about one service may depend on besides what happened.
struct Policy {
  TriggerTable triggers = default_triggers();
  Duration probation = minutes{5};
  Duration blame_window = minutes{60};
  Duration confirm = seconds{2};
  Duration settle = seconds{10};
  Duration cooldown = minutes{3};
  Duration stale_after = minutes{10};
  Mode mode = Mode::automatic;
  int max_per_hour = 5;  // automatic rollbacks of an environment
  Duration max_age = minutes{24 * 60};
  Duration ask_expires = minutes{30};
  bool may_revert_migrations = false;  // a migration_role is configured
  Second verify_window = 60;
  double verify_healthy_below = 1;   // errors per minute
  bool verify_health_url = false;    // a health_url is configured and has to answer
  std::string executor = "command";  // recorded in the plan

  friend bool operator==(const Policy&, const Policy&) = default;
};

// The policy of each service: its own, else its environment's, else everybody's.
class PolicyBook {
 public:
  PolicyBook() = default;
  explicit PolicyBook(Policy everybody) : everybody_{std::move(everybody)} {}

  void set_everybody(Policy policy) { everybody_ = std::move(policy); }
  void set_environment(std::string environment, Policy policy) {
    environments_.insert_or_assign(std::move(environment), std::move(policy));
  }
  void set_service(Service service, Policy policy) {
    services_.insert_or_assign(std::move(service), std::move(policy));
  }

  [[nodiscard]] const Policy& of(const Service& service) const {
    if (const auto own = services_.find(service); own != services_.end()) {
      return own->second;
    }
    const auto shared = environments_.find(service.environment);
    return shared == environments_.end() ? everybody_ : shared->second;
  }

  // Of services that have no other.
  [[nodiscard]] const Policy& everybody() const { return everybody_; }

  // Every window length that a decision under any of these policies can ask for, in seconds.
  [[nodiscard]] std::vector<Second> window_lengths() const;
  // The same of the response times.
  [[nodiscard]] std::vector<Second> response_time_lengths() const;

  friend bool operator==(const PolicyBook&, const PolicyBook&) = default;

 private:
  template <class Use>
  void for_each(const Use& use) const;

  Policy everybody_;
  std::map<std::string, Policy> environments_;
  std::map<Service, Policy> services_;
};

}  // namespace rollbackd::rules
