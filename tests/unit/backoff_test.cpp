#include "engine/database/backoff.hpp"

#include <doctest/doctest.h>

#include "engine/database/refusal.hpp"

namespace rollbackd::engine {

TEST_CASE("backoff: 50 ms doubling to 5 s, each between half and all of it") {
  for (int round = 0; round < 100; ++round) {
    CHECK(reconnect_delay(1) >= rules::Duration{25'000});
    CHECK(reconnect_delay(1) <= rules::Duration{50'000});
    CHECK(reconnect_delay(3) >= rules::Duration{100'000});
    CHECK(reconnect_delay(3) <= rules::Duration{200'000});
    CHECK(reconnect_delay(1000) <= rules::seconds{5});
    CHECK(reconnect_delay(1000) >= rules::Duration{2'500'000});
  }
}

TEST_CASE("backoff: a refused login is tried again after a second at first, then up to a minute") {
  for (int round = 0; round < 100; ++round) {
    CHECK(reconnect_delay(1, true) >= rules::Duration{500'000});
    CHECK(reconnect_delay(1, true) <= rules::seconds{1});
    CHECK(reconnect_delay(1000, true) >= rules::seconds{30});
    CHECK(reconnect_delay(1000, true) <= rules::seconds{60});
  }
  CHECK(is_login_refused("28P01"));
  CHECK(is_login_refused("28000"));
  CHECK_FALSE(is_login_refused("57P03"));
  CHECK_FALSE(is_login_refused(""));
}

}  // namespace rollbackd::engine
