#pragma once

#include <string_view>
#include <variant>

#include "engine/http/message.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Reads the body of an Alertmanager's webhook, version 4; keys that are not known are passed over.
// The 400 names the place in the body and what is expected there.
std::variant<AlertDelivery, ApiResponse> read_alert_delivery(std::string_view body);

}  // namespace rollbackd::engine
