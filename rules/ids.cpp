#include "rules/ids.hpp"

namespace rollbackd::rules {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

bool hyphen_before(std::size_t byte) { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

}  // namespace

template <class Kind>
std::optional<Uuid<Kind>> Uuid<Kind>::parse(std::string_view text) {
  if (text.size() != 36) {
    return std::nullopt;
  }
  std::array<std::uint8_t, 16> bytes{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (hyphen_before(i)) {
      if (text[at] != '-') {
        return std::nullopt;
      }
      ++at;
    }
    const int high = hex_value(text[at]);
    const int low = hex_value(text[at + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
    at += 2;
  }
  return Uuid{bytes};
}

template <class Kind>
std::string Uuid<Kind>::text() const {
  std::string out(36, '-');
  std::size_t at = 0;
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    at += hyphen_before(i) ? 1U : 0U;
    out[at++] = hex_digits[bytes_[i] >> 4U];
    out[at++] = hex_digits[bytes_[i] & 15U];
  }
  return out;
}

template class Uuid<DeploymentKind>;
template class Uuid<EventKind>;

std::array<std::uint8_t, 16> derived_uuid(const std::array<std::uint8_t, 16>& from,
                                          std::int64_t moment_us, std::uint64_t salt) {
  std::uint64_t halves[2] = {0, 0};
  for (std::size_t i = 0; i < from.size(); ++i) {
    halves[i / 8] = halves[i / 8] << 8U | from[i];
  }
  const std::uint64_t moment = mixed(static_cast<std::uint64_t>(moment_us) ^ mixed(salt));
  const std::uint64_t words[2] = {mixed(halves[0] ^ moment), mixed(halves[1] + mixed(moment))};
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(words[i / 8] >> (8 * (7 - i % 8)));
  }
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | 0x80U);  // version 8, RFC 9562
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U);  // variant
  return bytes;
}

}  // namespace rollbackd::rules
