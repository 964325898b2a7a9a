#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace rollbackd::rules {

// What a measurement, a limit or a detail can be. Rules build no JSON; adapters write these as
// JSON, log fields and messages.
using Value = std::variant<bool, std::int64_t, double, std::string>;

struct Field {
  std::string key;  // snake_case; a number's key ends in its unit
  Value value;

  friend bool operator==(const Field&, const Field&) = default;
};

using Fields = std::vector<Field>;

// At most two decimals and no trailing zeros: 8, 8.5, 90.91. The API's texts use it.
std::string number_text(double number);

std::string value_text(const Value& value);

}  // namespace rollbackd::rules
