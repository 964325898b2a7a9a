#include "engine/actions/health_probe.hpp"

#include <chrono>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/http_stub.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::engine {
namespace {

const auto event_id = *rules::EventId::parse("11111111-1111-1111-1111-111111111111");

struct Probe {
  rules::HealthUrlAnswered ask(const std::string& url, std::chrono::milliseconds deadline) {
    HealthProbe probe{client, inbox, [&](const rules::Service&) { return url; }, deadline};
    probe.probe({event_id, {"production", "api"}});
    const auto answered = [&] { return inbox.all<rules::HealthUrlAnswered>(); };
    REQUIRE(tests::run_until(reactor, [&] { return answered().size() == 1; }));
    CHECK(answered()[0].event == event_id);
    return answered()[0];
  }
  rules::HealthUrlAnswered ask(const std::string& url) {
    return ask(url, HealthProbe::usual_deadline);
  }

  asio::io_context reactor;
  HttpClient client{reactor.get_executor()};
  tests::RecordingInbox inbox;
};

TEST_CASE("health probe: 2xx is well, everything else is not") {
  for (const int status : {200, 204, 299, 302, 404, 500, 503}) {
    Probe f;
    tests::HttpStub stub;
    stub.next({status, "", {{"Location", stub.url("/elsewhere")}}});
    const auto answer = f.ask(stub.url("/healthz"));
    CHECK(answer.ok == (status < 300));
    CHECK(answer.detail == "health_url answered " + std::to_string(status));
    REQUIRE(stub.requests().size() == 1);
    CHECK(stub.requests()[0].method == "GET");
    CHECK(stub.requests()[0].target == "/healthz");
  }
}

TEST_CASE("health probe: no connection, no answer and no answer in time are not well") {
  const tests::ClosedPort closed;
  CHECK_FALSE(Probe{}.ask(closed.url()).ok);
  tests::HttpStub stub;
  tests::StubAnswer answer;
  answer.how = tests::StubAnswer::How::close;
  stub.next(answer);
  CHECK_FALSE(Probe{}.ask(stub.url()).ok);
  answer.how = tests::StubAnswer::How::hold;
  stub.next(answer);
  const auto late = Probe{}.ask(stub.url(), std::chrono::milliseconds{100});
  CHECK_FALSE(late.ok);
  CHECK(late.detail.find("timed out") != std::string::npos);
}

TEST_CASE("health probe: a service without health_url is answered, too") {
  const auto answer = Probe{}.ask("");
  CHECK_FALSE(answer.ok);
  CHECK(answer.detail == "no health_url is configured; set rollback.verify.health_url");
}

}  // namespace
}  // namespace rollbackd::engine
