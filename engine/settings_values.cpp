#include "engine/settings_values.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cmath>
#include <numeric>

#include "engine/utf8.hpp"

namespace rollbackd::engine {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t microseconds;
};

constexpr std::array<Unit, 5> units{{{"ms", 1000},
                                     {"s", 1'000'000},
                                     {"m", 60'000'000},
                                     {"h", 3'600'000'000},
                                     {"d", 86'400'000'000}}};
constexpr std::int64_t duration_max = 3650 * units.back().microseconds;

// Units as people write them elsewhere.
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> other_units{{
    {"msec", "ms"},
    {"millis", "ms"},
    {"milliseconds", "ms"},
    {"sec", "s"},
    {"secs", "s"},
    {"second", "s"},
    {"seconds", "s"},
    {"min", "m"},
    {"mins", "m"},
    {"minute", "m"},
    {"minutes", "m"},
    {"hr", "h"},
    {"hour", "h"},
    {"hours", "h"},
    {"day", "d"},
    {"days", "d"},
}};

constexpr std::string_view digits = "0123456789";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

template <class Number>
std::optional<Number> whole(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

int hex_value(char c) {
  const std::size_t at = std::string_view{"0123456789abcdef"}.find(lower(c));
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

bool is_address(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool is_loopback(std::string_view host) {
  in_addr v4{};
  if (inet_pton(AF_INET, std::string{host}.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24U) == 127;
  }
  return host == "localhost" || host == "[::1]";
}

// Optimal string alignment: insert, delete, replace, swap two neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before;
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before = last;
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::optional<rules::Duration> duration_named(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of(digits), text.size());
  const auto number = whole<std::int64_t>(text.substr(0, end));
  const auto unit = std::find_if(units.begin(), units.end(),
                                 [&](const Unit& u) { return u.name == text.substr(end); });
  if (!number || unit == units.end() || *number > duration_max / unit->microseconds) {
    return std::nullopt;
  }
  return rules::Duration{*number * unit->microseconds};
}

std::string duration_meant(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of(digits), text.size());
  const std::string number{text.substr(0, end)};
  if (number.empty()) {
    return {};
  }
  std::string unit = lowered(text.substr(end));
  unit.erase(0, unit.find_first_not_of(' '));
  if (unit.empty()) {
    return number + "s";
  }
  for (const auto& [theirs, ours] : other_units) {
    if (unit == theirs) {
      return number + std::string{ours};
    }
  }
  return duration_named(number + unit) ? number + unit : "";
}

std::string duration_text(rules::Duration duration) {
  const std::int64_t n = duration.count();
  if (n == 0) {
    return "0s";
  }
  for (auto unit = units.rbegin(); unit != units.rend(); ++unit) {
    if (n % unit->microseconds == 0) {
      return std::to_string(n / unit->microseconds) + std::string{unit->name};
    }
  }
  return std::to_string(n) + "us";
}

bool is_bare_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of(digits) == std::string_view::npos;
}

std::optional<double> number_named(std::string_view text) {
  const auto number = whole<double>(text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

std::optional<ListenAddress> listen_address_named(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const auto port = whole<std::uint16_t>(text.substr(colon + 1));
  std::string host{text.substr(0, colon)};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return std::nullopt;  // an IPv6 address without brackets: where would its port begin?
  }
  if (host == "localhost") {
    host = "127.0.0.1";
  }
  if (!port || (!host.empty() && !is_address(host))) {
    return std::nullopt;
  }
  return ListenAddress{std::move(host), *port};
}

bool read_hex(std::string_view text, std::span<std::uint8_t> into) {
  if (text.size() != 2 * into.size()) {
    return false;
  }
  for (std::size_t i = 0; i < into.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      return false;
    }
    into[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

std::optional<std::array<std::uint8_t, 32>> sha256_named(std::string_view text) {
  std::array<std::uint8_t, 32> bytes{};
  return read_hex(text, bytes) ? std::optional{bytes} : std::nullopt;
}

bool is_snowflake(std::string_view text) {
  return !text.empty() && text.size() <= 20 && text.front() != '0' &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string_view objection_to_webhook_secret(std::string_view secret) {
  constexpr std::string_view prefix = "whsec_";
  if (!secret.starts_with(prefix)) {
    return "does not begin with whsec_";
  }
  secret.remove_prefix(prefix.size());
  const std::size_t data_end = std::min(secret.find('='), secret.size());
  const bool is_base64 =
      secret.size() % 4 == 0 && secret.size() - data_end <= 2 &&
      secret.find_first_not_of('=', data_end) == std::string_view::npos &&
      std::all_of(secret.begin(), secret.begin() + static_cast<std::ptrdiff_t>(data_end),
                  [](char c) {
                    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '+' || c == '/';
                  });
  if (!is_base64) {
    return "is no base64 after whsec_";
  }
  const std::size_t bytes = data_end * 3 / 4;
  return bytes >= 24 && bytes <= 64 ? "" : "does not hold 24 to 64 bytes";
}

std::string_view objection_to_url(std::string_view url) {
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f' || c == '\\') {
      return "holds a space, a backslash or a control character";
    }
  }
  const std::size_t end = std::min(url.find("://"), url.size());
  const std::string scheme = lowered(url.substr(0, end));
  if (scheme != "https" && scheme != "http") {
    return "is no https URL";
  }
  const std::string_view rest = url.substr(std::min(end + 3, url.size()));
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.find('@') != std::string_view::npos) {
    return "holds a user name";
  }
  const std::size_t bracket = authority.find(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = authority.substr(0, colon);
  if (host.empty()) {
    return "names no host";
  }
  return scheme == "https" || is_loopback(host) ? "" : "is plain http to another machine";
}

std::vector<std::string_view> placeholders_in(std::string_view argument) {
  constexpr std::string_view letters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  std::vector<std::string_view> found;
  for (std::size_t open = argument.find('{'); open != std::string_view::npos;
       open = argument.find('{', open + 1)) {
    const std::size_t end = argument.find_first_not_of(letters, open + 1);
    if (end != std::string_view::npos && argument[end] == '}' && end > open + 1) {
      found.push_back(argument.substr(open + 1, end - open - 1));
    }
  }
  return found;
}

std::string_view closest(std::string_view text, const std::vector<std::string_view>& names) {
  const std::string wanted = lowered(text.substr(0, 64));
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(wanted.size() / 3, 1) + 1;
  for (const std::string_view name : names) {
    const std::size_t d = distance(wanted, name);
    if (d < best_distance && d < name.size()) {
      best = name;
      best_distance = d;
    }
  }
  return best;
}

std::string readable(std::string_view text) {
  constexpr std::size_t bytes_max = 60;
  std::string out;
  while (!text.empty() && out.size() < bytes_max) {
    std::string character;
    append_code_point(character, take_code_point(text));
    const std::string plain = plain_text(character);
    out += plain.empty() || plain == "\n" || plain == "\t" ? "?" : plain;
  }
  return text.empty() ? out : out + "…";
}

std::string shown(std::string_view text) { return '"' + readable(text) + '"'; }

}  // namespace rollbackd::engine
