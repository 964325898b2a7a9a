#include "engine/http/routes.hpp"
#include "engine/interactions.hpp"

namespace rollbackd::engine {
namespace {

// Signed by Discord instead of carrying a token. A standby answers, too: who asked hears in words
// that it cannot act.
void interact(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  const auto give = [&reply](InteractionAnswer answer) {
    reply(answer.status == 200 ? json_answer(std::move(answer.json))
                               : refusal(answer.status, answer.error, answer.details));
  };
  if (sources.interactions == nullptr) {
    return give(discord_not_configured());
  }
  sources.interactions->take(
      {call.request.signature, call.request.signature_timestamp, call.request.body}, give);
}

}  // namespace

std::vector<Route> discord_routes() {
  return {{"POST", "/discord/interactions", std::nullopt, false, interact}};
}

}  // namespace rollbackd::engine
