#include "engine/time_text.hpp"

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
  const std::string copy{text};
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int used = 0;
  if (std::sscanf(copy.c_str(), "%4d-%2u-%2uT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute,
                  &second, &used) != 6) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                                         std::chrono::day{day}};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  int fraction = 0;
  int more = 0;
  const char* rest = copy.c_str() + used;
  if (*rest == '.') {
    if (std::sscanf(rest, ".%6d%n", &fraction, &more) != 1 || more != 7) {
      return std::nullopt;
    }
    rest += more;
  }
  if (std::string_view{rest} != "Z") {
    return std::nullopt;
  }
  const auto moment = std::chrono::sys_days{date}.time_since_epoch() + std::chrono::hours{hour} +
                      std::chrono::minutes{minute} + std::chrono::seconds{second} +
                      std::chrono::microseconds{fraction};
  return rules::Instant{std::chrono::duration_cast<rules::Duration>(moment)};
}

}  // namespace rollbackd::engine
