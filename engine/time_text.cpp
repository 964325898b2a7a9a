#include "engine/time_text.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace rollbackd::engine {
namespace {

std::string date_and_time(rules::Second second) {
  const std::chrono::sys_seconds moment{std::chrono::seconds{second}};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{moment - day};
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return text;
}

// Digits only; nothing: there are others, or the text is too short.
std::optional<int> number_in(std::string_view text, std::size_t at, std::size_t length) {
  if (text.size() < at + length) {
    return std::nullopt;
  }
  int number = 0;
  for (const char c : text.substr(at, length)) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    number = number * 10 + (c - '0');
  }
  return number;
}

rules::Instant start_of(std::chrono::year year) {
  return rules::Instant{std::chrono::sys_days{year / std::chrono::January / 1}.time_since_epoch()};
}

}  // namespace

std::string second_text(rules::Second second) { return date_and_time(second) + "Z"; }

std::string instant_text(rules::Instant instant) {
  const rules::Second second = rules::second_of(instant);
  const auto rest = (instant - rules::instant_of(second)).count();
  char fraction[16];
  std::snprintf(fraction, sizeof fraction, ".%06dZ", static_cast<int>(rest));
  return date_and_time(second) + fraction;
}

std::optional<rules::Instant> parse_instant(std::string_view text) {
  const auto year = number_in(text, 0, 4);
  const auto month = number_in(text, 5, 2);
  const auto day = number_in(text, 8, 2);
  const auto hour = number_in(text, 11, 2);
  const auto minute = number_in(text, 14, 2);
  const auto second = number_in(text, 17, 2);
  constexpr std::size_t whole = std::string_view{"2025-12-15T14:35:00Z"}.size();
  constexpr std::size_t precise = std::string_view{"2025-12-15T14:35:00.123456Z"}.size();
  const bool has_fraction = text.size() == precise && text[whole - 1] == '.';
  const auto fraction = has_fraction ? number_in(text, whole, 6) : std::optional{0};
  const bool shaped = (text.size() == whole || has_fraction) && text[4] == '-' && text[7] == '-' &&
                      text[10] == 'T' && text[13] == ':' && text[16] == ':' && text.back() == 'Z';
  if (!shaped || !year || !month || !day || !hour || !minute || !second || !fraction) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok() || *year == 0 || *hour > 23 || *minute > 59 || *second > 59) {
    return std::nullopt;
  }
  const auto moment = std::chrono::sys_days{date}.time_since_epoch() + std::chrono::hours{*hour} +
                      std::chrono::minutes{*minute} + std::chrono::seconds{*second} +
                      std::chrono::microseconds{*fraction};
  return rules::Instant{std::chrono::duration_cast<rules::Duration>(moment)};
}

std::optional<rules::Instant> parse_rfc3339(std::string_view text) {
  constexpr std::size_t whole = std::string_view{"2025-12-15T14:35:00"}.size();
  constexpr std::size_t precise = 6;
  const auto second = parse_instant(std::string{text.substr(0, whole)} + "Z");
  if (!second) {
    return std::nullopt;
  }
  std::string_view rest = text.substr(whole);
  std::string fraction;
  if (rest.starts_with('.')) {
    const auto end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    fraction = rest.substr(1, std::min(end - 1, precise));
    rest.remove_prefix(end);
    if (fraction.empty()) {
      return std::nullopt;
    }
  }
  fraction.resize(precise, '0');
  const rules::Instant moment =
      *second + std::chrono::microseconds{number_in(fraction, 0, precise).value_or(0)};
  if (rest == "Z" || rest == "z") {
    return moment;
  }
  const auto hours = number_in(rest, 1, 2);
  const auto minutes = number_in(rest, 4, 2);
  const bool shaped = rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':';
  if (!shaped || !hours || !minutes || *hours > 23 || *minutes > 59) {
    return std::nullopt;
  }
  const rules::Duration east = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
  const rules::Instant in_utc = rest[0] == '+' ? moment - east : moment + east;
  const bool has_four_digits =
      in_utc >= start_of(std::chrono::year{1}) && in_utc < start_of(std::chrono::year{10'000});
  return has_four_digits ? std::optional{in_utc} : std::nullopt;
}

}  // namespace rollbackd::engine
