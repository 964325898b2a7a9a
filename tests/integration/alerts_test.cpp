#include <doctest/doctest.h>

#include "tests/support/http_stub.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

std::string channel(const HttpStub& discord) {
  return "notify: {discord: {webhook_url: \"" + discord.url("/api/webhooks/1/secret-token") +
         "\"}}\n";
}

}  // namespace

TEST_CASE(
    "people are told: initiated and completed, with what the procedures name, mentions disabled") {
  HttpStub discord;
  discord.otherwise({200, R"({"id": "1"})"});
  Stage stage{channel(discord)};
  stage.deployed_long_ago("v2.5.2");
  const std::string bad = stage.deploy("v2.5.3");
  stage.wait_until_watched(bad);
  stage.log_errors(6);
  CHECK(stage.wait_for_end(bad) == "success");
  REQUIRE(discord.wait_for_requests(2));
  const std::string first = discord.requests()[0].body;
  for (const char* const part :
       {"ROLLBACK INITIATED", "v2.5.3", "production", "High error rate: 6 errors/minute",
        "Automatic", "v2.5.2", "APPROVED", "\"allowed_mentions\":{\"parse\":[]}"}) {
    CAPTURE(part);
    CHECK(first.find(part) != std::string::npos);
  }
  CHECK(discord.requests()[1].body.find("COMPLETE") != std::string::npos);
  eventually("both to be marked as sent", 60, [&] {
    return stage.ask("select count(*) from ops.outbox where sent_at is not null") == "2";
  });
  CHECK(stage.daemon().log().find("secret-token") == std::string::npos);
}

TEST_CASE("a channel that never answers delays no decision, and what it missed comes later") {
  HttpStub discord;
  discord.otherwise({200, "{}", {}, StubAnswer::How::hold});
  Stage stage{channel(discord)};
  const std::string bad = stage.go_bad();
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.ask("select count(*) from ops.outbox where sent_at is null") == "2");
  discord.otherwise({200, "{}"});
  discord.release();
  eventually("both to be marked as sent", 60, [&] {
    return stage.ask("select count(*) from ops.outbox where sent_at is not null") == "2";
  });
}
