#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "rules/invariant.hpp"

namespace rollbackd::engine {

// An expected failure, said for the person who has to mend it.
struct Error {
  std::string what;    // the place, what was found and what was expected; never a secret
  std::string remedy;  // what to do about it; may be empty
};

// A value or an Error. Names follow std::expected, which g++ 12 has only in C++23.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_{std::move(value)} {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_{std::move(error)} {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool has_value() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return has_value(); }

  // REQUIRES: has_value().
  [[nodiscard]] T& value() {
    INVARIANT(has_value());
    return std::get<T>(state_);
  }
  [[nodiscard]] const T& value() const {
    INVARIANT(has_value());
    return std::get<T>(state_);
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !has_value().
  [[nodiscard]] const Error& error() const {
    INVARIANT(!has_value());
    return std::get<Error>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

// The outcome of something that gives nothing back.
struct Done {};
using Status = Result<Done>;

}  // namespace rollbackd::engine
