#include "engine/telemetry/log_line.hpp"

#include <chrono>
#include <cmath>
#include <variant>

#include <fmt/format.h>

#include "engine/time_text.hpp"
#include "engine/utf8.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

// Invisible, or read as a line's end or as another direction by terminals and viewers.
constexpr bool is_treacherous(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x2069) || c == 0xFEFF;
}

// The text between two quotes. The escapes are JSON's, which readers of logfmt know, too.
std::string escaped(std::string_view text) {
  std::string out;
  std::size_t taken = 0;
  while (!text.empty()) {
    if (taken >= rules::limits::detail_text_max) {
      out += "…";
      break;
    }
    const std::size_t before = text.size();
    const char32_t c = take_code_point(text);
    taken += before - text.size();
    switch (c) {
      case U'"':
        out += "\\\"";
        break;
      case U'\\':
        out += "\\\\";
        break;
      case U'\n':
        out += "\\n";
        break;
      case U'\r':
        out += "\\r";
        break;
      case U'\t':
        out += "\\t";
        break;
      default:
        if (is_treacherous(c)) {
          out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c));
        } else {
          append_code_point(out, c);
        }
    }
  }
  return out;
}

// Keys are ours, but a wrong one must not break the line either.
std::string key_text(std::string_view key) {
  std::string out;
  for (const char c : key) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '.' || c == '-';
    out += fine ? c : '_';
  }
  const bool is_taken = out.empty() || out == "time" || out == "level" || out == "event";
  return is_taken ? "field_" + out : out;
}

bool needs_no_quotes(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c >= '\x7f' || c == '"' || c == '=' || c == '\\') {
      return false;
    }
  }
  return !text.empty() && text.size() <= rules::limits::detail_text_max;
}

std::string value_in(LogFormat format, const rules::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    return format != LogFormat::json && needs_no_quotes(*text) ? *text : '"' + escaped(*text) + '"';
  }
  if (const auto* number = std::get_if<double>(&value)) {
    // JSON knows no such numbers.
    return std::isfinite(*number) ? fmt::format("{}", *number) : fmt::format("\"{}\"", *number);
  }
  return rules::value_text(value);
}

std::string_view level_text(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

// As syslog numbers them; systemd reads them as <N> at the beginning of a line.
char priority_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return '7';
    case LogLevel::info:
      return '6';
    case LogLevel::warning:
      return '4';
    case LogLevel::error:
      return '3';
  }
  return '3';
}

// To the millisecond: "2025-12-15T14:35:00.123Z".
std::string time_text(rules::Instant at) {
  const rules::Second second = rules::second_of(at);
  const auto rest = at - rules::instant_of(second);
  std::string text = second_text(second);
  text.pop_back();
  return fmt::format("{}.{:03}Z", text,
                     std::chrono::floor<std::chrono::milliseconds>(rest).count());
}

}  // namespace

std::string log_line(LogFormat format, rules::Instant at, LogLevel level, std::string_view event,
                     const rules::Fields& fields) {
  const bool json = format == LogFormat::json;
  const std::string word = value_in(format, rules::Value{std::string{event}});
  std::string line;
  switch (format) {
    case LogFormat::logfmt:
      line = fmt::format("time={} level={} event={}", time_text(at), level_text(level), word);
      break;
    case LogFormat::json:
      line = fmt::format(R"({{"time":"{}","level":"{}","event":{})", time_text(at),
                         level_text(level), word);
      break;
    case LogFormat::journald:
      line = fmt::format("<{}>level={} event={}", priority_of(level), level_text(level), word);
      break;
  }
  for (const rules::Field& field : fields) {
    line += json ? ",\"" + key_text(field.key) + "\":" : " " + key_text(field.key) + "=";
    line += value_in(format, field.value);
  }
  return json ? line + '}' : line;
}

}  // namespace rollbackd::engine
