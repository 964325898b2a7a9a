#include <utility>

#include "engine/http/alertmanager.hpp"
#include "engine/http/routes.hpp"

namespace rollbackd::engine {
namespace {

// Answered when it is committed: an Alertmanager sends again what was not, and what is sent again
// changes nothing. A standby keeps them as well, for the leader to see.
void take_alerts(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  auto read = read_alert_delivery(call.request.body);
  if (auto* refused = std::get_if<ApiResponse>(&read)) {
    return reply(std::move(*refused));
  }
  sources.archive.take_alerts(
      std::move(std::get<AlertDelivery>(read)),
      [reply](const Result<std::optional<std::string>>& taken) {
        reply(taken ? json_answer(taken.value().value_or("{}")) : unanswered(taken.error()));
      });
}

}  // namespace

std::vector<Route> alert_routes() {
  return {{"POST", "/alertmanager", Scope::record, false, take_alerts}};
}

}  // namespace rollbackd::engine
