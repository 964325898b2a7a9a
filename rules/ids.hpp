#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace rollbackd::rules {

// SplitMix64's finaliser (Steele, Lea, Flood 2014): every input bit reaches every output bit.
constexpr std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

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
    // People choose uuids, and often in rows: neighbours must not meet in one bucket.
    std::array<std::uint64_t, 2> halves{};
    std::memcpy(halves.data(), id.bytes().data(), sizeof halves);
    return rollbackd::rules::mixed(halves[0] ^ rollbackd::rules::mixed(halves[1]));
  }
};

template <>
struct std::hash<rollbackd::rules::Service> {
  std::size_t operator()(const rollbackd::rules::Service& s) const noexcept {
    const std::hash<std::string> text;
    return text(s.environment) * 1099511628211ULL + text(s.name);
  }
};
