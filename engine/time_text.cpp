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

}  // namespace rollbackd::engine
