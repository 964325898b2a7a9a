#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "rules/invariant.hpp"

namespace rollbackd::rules {

// The two directions between an enumeration and the stable names that users see.
template <class Value, std::size_t Count>
struct Names {
  std::array<std::pair<Value, std::string_view>, Count> rows;

  [[nodiscard]] constexpr std::string_view name_of(Value value) const {
    for (const auto& [known, name] : rows) {
      if (known == value) {
        return name;
      }
    }
    UNREACHABLE("a value without a name");
  }

  [[nodiscard]] constexpr std::optional<Value> named(std::string_view name) const {
    for (const auto& [value, known] : rows) {
      if (known == name) {
        return value;
      }
    }
    return std::nullopt;
  }
};

template <class Value, std::size_t Count>
constexpr Names<Value, Count> names_of(const std::pair<Value, std::string_view> (&rows)[Count]) {
  return {std::to_array(rows)};
}

}  // namespace rollbackd::rules
