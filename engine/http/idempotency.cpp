#include "engine/http/idempotency.hpp"

#include <algorithm>

#include "engine/http/digest.hpp"
#include "engine/http/json.hpp"
#include "engine/http/routes.hpp"

namespace rollbackd::engine {
namespace {

// What a field of HTTP carries as it is.
bool is_key(const std::string& text) {
  return text.size() <= Idempotency::key_bytes_max &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// Lengths in between: no two requests have the same text.
std::string fingerprint_of(const ApiRequest& request) {
  std::string text;
  for (const std::string* part : {&request.method, &request.path, &request.query, &request.body}) {
    text += std::to_string(part->size()) + ':' + *part;
  }
  return sha256_base64(text);
}

ApiResponse other_request() {
  return refusal(422, "Idempotency-Key used for another request",
                 "This key came with another method, path or body within the last " +
                     std::to_string(request_keys_kept.count()) +
                     " hours: send that request again as it was, or this one with a new key.");
}

ApiResponse still_under_way() {
  ApiResponse response = refusal(
      409, "Request under way",
      "The request with this Idempotency-Key is being carried out; ask again for its answer.");
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

// The answer was lost with the process that had it, but not what was done.
void answer_again(const ApiSources& sources, const ApiCall& call, const KeptRequest& kept,
                  const ApiReply& reply) {
  if (kept.status) {
    return reply(json_answer(kept.answer, *kept.status));
  }
  if (kept.event) {
    return follow_event(sources, call, *kept.event, reply);
  }
  reply(
      refusal(409, "Carried out before",
              "The request with this Idempotency-Key was carried out before the daemon was "
              "restarted, and its answer was lost; GET /auto-rollback/deployments shows the pause "
              "and the breakers as they are now."));
}

}  // namespace

void Idempotency::answer(const ApiSources& sources, const Route& route, ApiCall call,
                         ApiReply reply) const {
  const std::string key = call.request.idempotency_key;
  if (key.empty()) {
    return route.handler(sources, std::move(call), std::move(reply));
  }
  if (!is_key(key)) {
    return reply(refusal(400, "Invalid Idempotency-Key",
                         "It has to be 1 to " + std::to_string(key_bytes_max) +
                             " visible ASCII characters without a space, such as a uuid."));
  }
  call.sender.key = key;
  call.sender.fingerprint = fingerprint_of(call.request);
  const std::pair name{call.sender.token, key};
  if (const auto known = under_way_->find(name); known != under_way_->end()) {
    return reply(known->second == call.sender.fingerprint ? still_under_way() : other_request());
  }
  if (under_way_->size() >= under_way_max) {
    return reply(come_back("Too many requests under way", "Ask again when some have ended."));
  }
  under_way_->emplace(name, call.sender.fingerprint);
  const ApiReply once = [under_way = under_way_, name, reply](ApiResponse response) {
    under_way->erase(name);
    reply(std::move(response));
  };
  // Whoever asks again after the answer finds it: the archive does one thing after the other.
  const ApiReply first = [&sources, sender = call.sender, once](ApiResponse response) {
    if (response.done) {
      sources.archive.keep_answer(sender, response.status, response.body);
    }
    once(std::move(response));
  };
  const ApiReply again = [once](ApiResponse response) {
    response.headers.emplace_back("Idempotency-Replayed", "true");
    once(std::move(response));
  };
  sources.archive.recall(call.sender, [&sources, handler = route.handler, call, first, again,
                                       once](const Result<std::optional<KeptRequest>>& found) {
    if (!found) {
      once(unanswered(found.error()));
    } else if (!found.value()) {
      handler(sources, call, first);
    } else if (found.value()->fingerprint != call.sender.fingerprint) {
      once(other_request());
    } else {
      answer_again(sources, call, *found.value(), again);
    }
  });
}

}  // namespace rollbackd::engine
