#pragma once

#include <string>

#include "rules/policy.hpp"

namespace rollbackd::tests {

namespace rules = rollbackd::rules;

// "2.5" is two and a half seconds.
rules::Duration seconds_of(const std::string& text);

// One KEY=VALUE of a scenario's `policy` line. Throws when it knows no such key.
void set_policy(rules::Policy& policy, const std::string& setting);

}  // namespace rollbackd::tests
