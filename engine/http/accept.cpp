#include "engine/http/accept.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <string>

namespace rollbackd::engine {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Up to the separator, which is taken as well.
std::string_view take_part(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return trimmed(part);
}

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// A q that is none is no wish.
double weight_of(std::string_view value) {
  double weight = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), weight);
  return read.ec == std::errc{} ? std::clamp(weight, 0.0, 1.0) : 0;
}

}  // namespace

// OpenMetrics only where it is named, in a version that is ours or without one.
Exposition wanted_exposition(std::string_view accept) {
  double open_metrics = 0;
  double text = 0;
  while (!accept.empty()) {
    std::string_view range = take_part(accept, ',');
    const std::string type = lower(take_part(range, ';'));
    double weight = 1;
    bool is_our_version = true;
    while (!range.empty()) {
      std::string_view parameter = take_part(range, ';');
      const std::string name = lower(take_part(parameter, '='));
      if (name == "q") {
        weight = weight_of(trimmed(parameter));
      } else if (name == "version") {
        const std::string_view version = trimmed(parameter);
        is_our_version = version == "1.0.0" || version == "\"1.0.0\"";
      }
    }
    if (type == "application/openmetrics-text") {
      open_metrics = std::max(open_metrics, is_our_version ? weight : 0);
    } else if (type == "text/plain" || type == "text/*" || type == "*/*") {
      text = std::max(text, weight);
    }
  }
  return open_metrics > 0 && open_metrics >= text ? Exposition::open_metrics : Exposition::text;
}

}  // namespace rollbackd::engine
