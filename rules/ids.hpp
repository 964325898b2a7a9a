#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace rollbackd::rules {

// A uuid as PostgreSQL has it. Kinds are told apart by the parameter, so that a deployment's id
// cannot be passed where a rollback's is wanted.
template <class Kind>
class Uuid {
 public:
  constexpr Uuid() = default;
  explicit constexpr Uuid(const std::array<std::uint8_t, 16>& bytes) : bytes_{bytes} {}

  // The 8-4-4-4-12 form in either case; nothing else, so that a typing error is not taken for an
  // id.
  static std::optional<Uuid> parse(std::string_view text);

  [[nodiscard]] std::string text() const;
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }

  friend auto operator<=>(const Uuid&, const Uuid&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

struct DeploymentKind;
struct EventKind;
using DeploymentId = Uuid<DeploymentKind>;
using EventId = Uuid<EventKind>;  // a rollback's; "event" is the name the original API gave it

extern template class Uuid<DeploymentKind>;
extern template class Uuid<EventKind>;

// A uuid (version 8) made from what makes it unique. Rules have no randomness, and the same inputs
// must give the same ids.
std::array<std::uint8_t, 16> derived_uuid(const std::array<std::uint8_t, 16>& from,
                                          std::int64_t moment_us, std::uint64_t salt);

// One (environment, service) pair; both are any non-empty text.
struct Service {
  std::string environment;
  std::string name;

  friend auto operator<=>(const Service&, const Service&) = default;
};

}  // namespace rollbackd::rules

template <class Kind>
struct std::hash<rollbackd::rules::Uuid<Kind>> {
  std::size_t operator()(const rollbackd::rules::Uuid<Kind>& id) const noexcept {
    std::size_t h = 0;
    for (const auto byte : id.bytes()) {
      h = h * 1099511628211ULL + byte;
    }
    return h;
  }
};

template <>
struct std::hash<rollbackd::rules::Service> {
  std::size_t operator()(const rollbackd::rules::Service& s) const noexcept {
    const std::hash<std::string> text;
    return text(s.environment) * 1099511628211ULL + text(s.name);
  }
};
