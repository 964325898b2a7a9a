#pragma once

#include <string>
#include <string_view>

#include "engine/outgoing/http_client.hpp"
#include "engine/result.hpp"
#include "engine/settings.hpp"
#include "rules/time.hpp"

namespace rollbackd::engine {

// webhook-id, webhook-timestamp and webhook-signature of a body, as Standard Webhooks has them:
// HMAC-SHA256 over "id.timestamp.body". An error: the secret is none.
Result<HttpHeaders> webhook_headers(const Secret& secret, std::string_view id, rules::Instant now,
                                    std::string_view body);

}  // namespace rollbackd::engine
