#include "engine/http/routes.hpp"
#include "engine/interactions.hpp"

namespace rollbackd::engine {
namespace {

// Signed by Discord instead of carrying a token. A standby answers, too: who asked hears in words
// that it cannot act.
void interact(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  if (sources.interactions == nullptr) {
    return reply(refusal(404, "Discord is not configured",
                         "Put public_key, application_id, guild_id and approver_roles into the "
                         "section discord of the configuration."));
  }
  sources.interactions->take(
      {call.request.signature, call.request.signature_timestamp, call.request.body},
      [&reply](InteractionAnswer answer) {
        reply(answer.status == 200 ? json_answer(std::move(answer.json))
                                   : refusal(answer.status, answer.error, answer.details));
      });
}

}  // namespace

std::vector<Route> discord_routes() {
  return {{"POST", "/discord/interactions", std::nullopt, false, interact}};
}

}  // namespace rollbackd::engine
