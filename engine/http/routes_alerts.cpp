#include <utility>

#include "engine/http/alertmanager.hpp"
#include "engine/http/routes.hpp"

namespace rollbackd::engine {
namespace {

// A group has the alerts of as many series as fire, each with all of its labels and annotations. An
// Alertmanager goes on trying what is refused, and never gets it through.
constexpr std::size_t delivery_max = 1024 * 1024;
constexpr std::string_view smaller_deliveries =
    "Deliveries get smaller with group_by: [alertname, environment, service] in the Alertmanager's "
    "route, and with max_alerts in its webhook_configs.";

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
  return {{"POST",
           "/alertmanager",
           Scope::record,
           false,
           take_alerts,
           {delivery_max, smaller_deliveries}}};
}

}  // namespace rollbackd::engine
