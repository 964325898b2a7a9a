#pragma once

#include <string>

#include "engine/outgoing/http_client.hpp"
#include "rules/time.hpp"

// How Discord's REST API is spoken to.
namespace rollbackd::engine {

// Of a request with a JSON body. Discord refuses other user agents.
HttpHeaders discord_headers();

// What Discord's answer to a webhook means for the message and for the ones after it.
struct Verdict {
  enum class Kind {
    delivered,
    later,    // not now: the network, the server, or the rate limit
    refused,  // never: this message is not what Discord takes
    gone,     // the webhook does not exist any more; it must not be used again
  };
  Kind kind = Kind::later;
  std::string error;        // for people; empty when delivered
  rules::Duration pause{};  // nothing may be sent to this webhook before
};

Verdict verdict_of(const HttpOutcome& outcome);

}  // namespace rollbackd::engine
