#include "engine/http/json.hpp"

#include <cmath>

#include <nlohmann/json.hpp>

#include "engine/time_text.hpp"

namespace rollbackd::engine {
namespace {

using Json = nlohmann::ordered_json;

// At most two decimals, and 8 instead of 8.0.
Json number(double value) {
  constexpr double whole_max = 9e15;  // up to here a double holds every whole number
  const double rounded = std::round(value * 100) / 100;
  if (std::abs(rounded) <= whole_max && std::trunc(rounded) == rounded) {
    return static_cast<std::int64_t>(rounded);
  }
  return rounded;
}

// Texts from the database may be anything; an answer is valid JSON all the same.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

ApiResponse refusal(int status, std::string_view error, std::string_view details) {
  ApiResponse response;
  response.status = status;
  response.body = dump(Json{{"error", error}, {"details", details}});
  return response;
}

std::string check_json(const rules::CheckView& view) {
  return dump(Json{{"should_rollback", view.should_rollback},
                   {"reason", view.reason},
                   {"connection_utilisation", number(view.connection_utilisation)},
                   {"state", name_of(view.state)},
                   {"health",
                    {{"healthy", view.healthy},
                     {"error_rate_per_minute", number(view.error_rate_per_minute)},
                     {"recent_errors", view.recent_errors},
                     {"database_connections", view.database_connections},
                     {"active_queries", view.active_queries},
                     {"timestamp", second_text(view.as_of)}}}});
}

std::string readiness_json(const Readiness& readiness) {
  Json problems = Json::object();
  for (const auto& [part, text] : readiness.problems) {
    problems[part] = text;
  }
  return dump(Json{{"ready", readiness.ready},
                   {"role", readiness.role},
                   {"feed", readiness.feed},
                   {"problems", std::move(problems)},
                   {"warnings", readiness.warnings}});
}

}  // namespace rollbackd::engine
