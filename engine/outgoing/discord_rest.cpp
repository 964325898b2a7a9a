#include "engine/outgoing/discord_rest.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "engine/utf8.hpp"
#include "engine/version.hpp"

namespace rollbackd::engine {
namespace {

constexpr double pause_seconds_max = 3600;
// For an answer that says "too many" and not for how long.
constexpr double pause_seconds_usual = 5;
constexpr std::size_t excerpt_max = 200;

std::optional<double> seconds_in(std::optional<std::string_view> text) {
  double seconds = 0;
  if (!text) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  const bool is_number = error == std::errc{} && end == text->data() + text->size();
  return is_number && std::isfinite(seconds) ? std::optional{seconds} : std::nullopt;
}

// A little more than asked for: being early counts as an invalid request.
rules::Duration pause_of(double seconds) {
  const double bounded = std::clamp(seconds, 0.0, pause_seconds_max);
  return std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>{bounded}) +
         std::chrono::milliseconds{50};
}

rules::Duration pause_after_too_many(const HttpResponse& response) {
  std::optional<double> longest = seconds_in(response.header("Retry-After"));
  const auto body = nlohmann::json::parse(response.body, nullptr, false);
  if (body.is_object() && body.contains("retry_after") && body["retry_after"].is_number()) {
    longest = std::max(longest.value_or(0), body["retry_after"].get<double>());
  }
  return pause_of(longest.value_or(pause_seconds_usual));
}

rules::Duration pause_after_last_permitted(const HttpResponse& response) {
  const auto reset = seconds_in(response.header("X-RateLimit-Reset-After"));
  return reset && response.header("X-RateLimit-Remaining") == "0" ? pause_of(*reset)
                                                                  : rules::Duration{};
}

std::string described(const HttpResponse& response) {
  std::string text = "the webhook answered " + std::to_string(response.status);
  const std::string body = plain_text(response.body.substr(0, excerpt_max));
  return body.empty() ? text : text + ": " + body;
}

}  // namespace

HttpHeaders discord_headers() {
  return {{"Content-Type", "application/json"},
          {"User-Agent", "DiscordBot (rollbackd, " + std::string{version()} + ")"}};
}

Verdict verdict_of(const HttpOutcome& outcome) {
  if (!outcome.response) {
    return {Verdict::Kind::later, outcome.failure.what, {}};
  }
  const HttpResponse& response = *outcome.response;
  if (response.is_success()) {
    return {Verdict::Kind::delivered, {}, pause_after_last_permitted(response)};
  }
  const std::string error = described(response);
  switch (response.status) {
    case 429:
      return {Verdict::Kind::later, error, pause_after_too_many(response)};
    case 401:
    case 404:
    case 410:
      return {Verdict::Kind::gone, error, {}};
    case 400:
    case 413:
    case 415:
    case 422:
      return {Verdict::Kind::refused, error, pause_after_last_permitted(response)};
    default:
      // Also what a proxy or a firewall in between may say for a while.
      return {Verdict::Kind::later, error, pause_after_last_permitted(response)};
  }
}

}  // namespace rollbackd::engine
