#include "engine/http/rate_limits.hpp"

#include <doctest/doctest.h>

namespace rollbackd::engine {
namespace {

using std::chrono::seconds;

const SteadyTime noon{seconds{1'000'000}};

RateSettings small() {
  RateSettings settings;
  settings.requests = {4, 2};
  settings.acting = {2, 0.1};
  settings.wrong_tokens = {3, 0.5};
  settings.all_wrong_tokens = {5, 1};
  settings.clients_max = 3;
  return settings;
}

}  // namespace

TEST_CASE(
    "rate limits: a burst is taken, then so many a second, and the wait that is told is true") {
  RateLimits limits{small()};
  for (int i = 0; i < 4; ++i) {
    CHECK_FALSE(limits.request_with("ci", false, noon));
  }
  CHECK(limits.request_with("ci", false, noon) == seconds{1});
  CHECK_FALSE(limits.request_with("ci", false, noon + seconds{1}));
  CHECK_FALSE(limits.request_with("ci", false, noon + seconds{1}));
  CHECK(limits.request_with("ci", false, noon + seconds{1}) == seconds{1});
  CHECK_FALSE(limits.request_with("other", false, noon));
}

TEST_CASE("rate limits: what acts has a lower limit, and waits as long as that says") {
  RateLimits limits{small()};
  CHECK_FALSE(limits.request_with("ci", true, noon));
  CHECK_FALSE(limits.request_with("ci", true, noon));
  CHECK(limits.request_with("ci", true, noon) == seconds{10});
  CHECK_FALSE(limits.request_with("ci", false, noon));
  CHECK_FALSE(limits.request_with("ci", true, noon + seconds{10}));
}

TEST_CASE(
    "rate limits: a flood of wrong tokens takes nothing from a token, nor from what needs none") {
  RateLimits limits{small()};
  int refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    refused += limits.wrong_token_from("10.0.0.1", noon) ? 1 : 0;
  }
  CHECK(refused == 10'000 - 3);
  CHECK(limits.wrong_token_from("10.0.0.1", noon) == seconds{2});
  CHECK_FALSE(limits.request_with("ci", true, noon));
  CHECK_FALSE(limits.request_from("10.0.0.1", noon));
  // All together have a limit, too: addresses are cheap.
  CHECK_FALSE(limits.wrong_token_from("10.0.0.2", noon));
  CHECK_FALSE(limits.wrong_token_from("10.0.0.3", noon));
  CHECK(limits.wrong_token_from("10.0.0.4", noon) == seconds{1});
}

TEST_CASE("rate limits: as many clients are told apart as there is room for") {
  RateLimits limits{small()};
  for (int i = 0; i < 10'000; ++i) {
    CHECK_FALSE(limits.request_from(
        "10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250), noon));
  }
  CHECK(limits.clients() == 3);
}

TEST_CASE("rate limits: the addresses of one IPv6 network are one client's") {
  RateLimits limits{small()};
  for (const char* address : {"2001:db8:0:1::1", "2001:db8:0:1:2:3:4:5", "2001:db8:0:1:ffff::"}) {
    CHECK_FALSE(limits.wrong_token_from(address, noon));
  }
  CHECK(limits.wrong_token_from("2001:db8:0:1::2", noon));
  CHECK_FALSE(limits.wrong_token_from("2001:db8:0:2::1", noon));
  CHECK_FALSE(limits.wrong_token_from("::ffff:10.0.0.1", noon));
  CHECK(limits.clients() == 3);
}

}  // namespace rollbackd::engine
