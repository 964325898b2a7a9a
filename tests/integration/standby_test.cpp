#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

TEST_CASE(
    "a second daemon is a ready standby that does nothing, and leads when the first is gone") {
  Stage stage;
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  const Daemon second{stage.configuration()};
  second.wait_for_log({"event=waiting_to_lead"});
  second.wait_for_log({"event=http_listening"});
  const std::string word = "event=http_listening port=";
  const std::string log = second.log();
  const int port = std::stoi(log.substr(log.find(word) + word.size()));
  eventually("the standby to be ready", 60, [&] {
    const HttpAnswer answer = http_request(port, "GET", "/readyz");
    return answer.status == 200 && answer.body.find("\"role\":\"standby\"") != std::string::npos;
  });
  stage.daemon().kill();
  second.wait_for_log({"event=leading"});
  stage.log_errors(6);
  CHECK(stage.wait_for_end(bad) == "success");
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "1");
}
