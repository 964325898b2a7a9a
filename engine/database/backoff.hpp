#pragma once

#include "rules/time.hpp"

namespace rollbackd::engine {

// How long to wait before attempt number `attempt` (1, 2, …) to reach the database: 50 ms doubling
// to 5 s; where the server refuses the login, 1 s doubling to 60 s, because trying again does not
// help and fills its log. Each between half and all of it, so that many daemons do not come back in
// step. Any thread.
rules::Duration reconnect_delay(int attempt, bool login_refused = false);

}  // namespace rollbackd::engine
