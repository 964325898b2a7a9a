#include "engine/outgoing/http_client.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/http_stub.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::engine {
namespace {

using tests::ClosedPort;
using tests::HttpStub;
using tests::StubAnswer;
using How = StubAnswer::How;
using std::string_literals::operator""s;

struct Client {
  HttpOutcome ask(HttpRequest request) {
    std::optional<HttpOutcome> outcome;
    client.send(std::move(request), [&](HttpOutcome o) { outcome = std::move(o); });
    REQUIRE(tests::run_until(reactor, [&] { return outcome.has_value(); }));
    return *outcome;
  }

  asio::io_context reactor;
  HttpClient client{reactor.get_executor()};
};

HttpRequest get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return request;
}

HttpRequest post(const std::string& url, const std::string& body) {
  HttpRequest request = get(url);
  request.method = "POST";
  request.body = body;
  request.once = true;
  return request;
}

bool is_not_sent(const HttpOutcome& outcome) {
  return !outcome.response && outcome.failure.certainty == HttpFailure::Certainty::not_sent;
}

bool is_unknown(const HttpOutcome& outcome) {
  return !outcome.response && outcome.failure.certainty == HttpFailure::Certainty::unknown;
}

TEST_CASE("http client: an answer with its status, headers and body") {
  Client f;
  HttpStub stub;
  stub.next({418, "short and stout", {{"X-RateLimit-Remaining", " 0 "}, {"X-Empty", ""}}});
  const auto outcome = f.ask(get(stub.url("/a/b?c=d")));
  REQUIRE(outcome.response);
  CHECK(outcome.response->status == 418);
  CHECK_FALSE(outcome.response->is_success());
  CHECK(outcome.response->body == "short and stout");
  CHECK(outcome.response->header("x-ratelimit-remaining") == "0");
  CHECK(outcome.response->header("x-empty") == "");
  CHECK_FALSE(outcome.response->header("absent"));
  CHECK(outcome.took.count() > 0);
  REQUIRE(stub.requests().size() == 1);
  CHECK(stub.requests()[0].method == "GET");
  CHECK(stub.requests()[0].target == "/a/b?c=d");
  CHECK(stub.requests()[0].header("user-agent") == "rollbackd/0.1.0");
  CHECK_FALSE(stub.requests()[0].header("content-type"));
}

TEST_CASE("http client: method, headers and body arrive as they were given") {
  Client f;
  HttpStub stub;
  auto request = post(stub.url("/hook"), "{\"a\":\"\0ä\"}"s);
  request.headers = {
      {"Content-Type", "application/json"}, {"User-Agent", "other"}, {"X-Empty", ""}};
  REQUIRE(f.ask(request).response);
  request.method = "PATCH";
  REQUIRE(f.ask(request).response);
  REQUIRE(f.ask(post(stub.url(), "")).response);
  const auto seen = stub.requests();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].method == "POST");
  CHECK(seen[0].body == request.body);
  CHECK(seen[0].header("content-type") == "application/json");
  CHECK(seen[0].header("user-agent") == "other");
  CHECK(seen[0].header("x-empty") == "");
  CHECK(seen[1].method == "PATCH");
  CHECK(seen[1].body == request.body);
  CHECK(seen[2].header("content-length") == "0");
  CHECK_FALSE(seen[2].header("content-type"));
}

TEST_CASE("http client: HEAD does not wait for a body") {
  Client f;
  HttpStub stub;
  stub.next({200, "never sent"});
  auto request = get(stub.url());
  request.method = "HEAD";
  const auto outcome = f.ask(request);
  REQUIRE(outcome.response);
  CHECK(outcome.response->body.empty());
}

TEST_CASE("http client: a redirect is an answer, not a way") {
  Client f;
  HttpStub stub;
  HttpStub other;
  stub.next({307, "", {{"Location", other.url()}}});
  const auto outcome = f.ask(post(stub.url(), "x"));
  REQUIRE(outcome.response);
  CHECK(outcome.response->status == 307);
  CHECK(other.connections() == 0);
}

TEST_CASE("http client: an interim answer is not the answer") {
  Client f;
  HttpStub stub;
  StubAnswer answer;
  answer.how = How::raw;
  answer.body =
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: "
      "2\r\n\r\nok";
  stub.next(answer);
  const auto outcome = f.ask(get(stub.url()));
  REQUIRE(outcome.response);
  CHECK(outcome.response->status == 201);
  CHECK(outcome.response->headers.size() == 1);
  CHECK(outcome.response->body == "ok");
}

TEST_CASE("http client: of a huge body the beginning is kept") {
  Client f;
  HttpStub stub;
  stub.next({200, std::string(3U << 20U, 'x')});
  const auto outcome = f.ask(get(stub.url()));
  REQUIRE(outcome.response);
  CHECK(outcome.response->body.size() == HttpResponse::body_bytes_max);
  CHECK(outcome.response->body_cut);
  CHECK(outcome.response->status == 200);
}

TEST_CASE("http client: a large request does not wait for a permission") {
  Client f;
  HttpStub stub;
  REQUIRE(f.ask(post(stub.url(), std::string(3U << 20U, 'x'))).response);
  CHECK(stub.requests()[0].body.size() == 3U << 20U);
  CHECK_FALSE(stub.requests()[0].header("expect"));
}

TEST_CASE("http client: what was never sent is told apart") {
  Client f;
  const ClosedPort closed;
  const auto refused = f.ask(post(closed.url("/api/webhooks/1/secret"), "x"));
  CHECK(is_not_sent(refused));
  CHECK(refused.failure.what.starts_with("http://127.0.0.1:"));
  CHECK(refused.failure.what.find("secret") == std::string::npos);
  CHECK(is_not_sent(f.ask(get("https://name.invalid/secret"))));
}

TEST_CASE("http client: a peer that cannot speak TLS got no request") {
  for (const auto greeting : {HttpStub::Greeting::garbage, HttpStub::Greeting::reset_on_accept,
                              HttpStub::Greeting::silent}) {
    Client f;
    HttpStub stub{greeting};
    auto request = post("https://127.0.0.1:" + std::to_string(stub.port()) + "/secret", "x");
    request.deadline = std::chrono::milliseconds{300};
    const auto outcome = f.ask(request);
    CHECK(is_not_sent(outcome));
    CHECK(outcome.failure.what.find("secret") == std::string::npos);
  }
}

TEST_CASE("http client: after the request has left nothing is certain") {
  for (const How how : {How::reset, How::close}) {
    Client f;
    HttpStub stub;
    StubAnswer answer;
    answer.how = how;
    stub.otherwise(answer);
    const auto outcome = f.ask(post(stub.url("/secret"), "x"));
    CHECK(is_unknown(outcome));
    CHECK(outcome.failure.status == 0);
    CHECK(outcome.failure.what.find("secret") == std::string::npos);
    CHECK(stub.requests().size() == 1);
  }
}

TEST_CASE("http client: an answer that breaks off is a failure that knows its status") {
  Client f;
  HttpStub stub;
  StubAnswer answer{202, "half of it"};
  answer.how = How::cut;
  stub.next(answer);
  const auto outcome = f.ask(get(stub.url()));
  CHECK(is_unknown(outcome));
  CHECK(outcome.failure.status == 202);
}

TEST_CASE("http client: what is no HTTP is a failure") {
  Client f;
  HttpStub stub;
  StubAnswer answer;
  answer.how = How::raw;
  answer.body = "SSH-2.0-something\r\n";
  stub.next(answer);
  CHECK(is_unknown(f.ask(get(stub.url()))));
}

TEST_CASE("http client: the deadline ends a silent exchange, the others go on") {
  Client f;
  HttpStub stub;
  StubAnswer held;
  held.how = How::hold;
  stub.next(held);
  auto request = post(stub.url("/secret"), "x");
  request.deadline = std::chrono::seconds{2};
  std::optional<HttpOutcome> first;
  f.client.send(request, [&](HttpOutcome o) { first = std::move(o); });
  REQUIRE(stub.wait_for_requests(1));
  CHECK(f.ask(get(stub.url())).response);
  CHECK_FALSE(first);
  REQUIRE(tests::run_until(f.reactor, [&] { return first.has_value(); }));
  CHECK(is_unknown(*first));
  CHECK(first->failure.what.find("timed out") != std::string::npos);
  CHECK(first->took > std::chrono::milliseconds{1990});
  CHECK(first->took < std::chrono::seconds{20});
}

TEST_CASE("http client: a POST is not sent again when a kept connection dies under it") {
  Client f;
  HttpStub stub;
  REQUIRE(f.ask(get(stub.url())).response);
  StubAnswer closed;
  closed.how = How::close;
  stub.otherwise(closed);
  auto request = post(stub.url(), "deploy");
  SUBCASE("on a connection of its own") { request.once = true; }
  SUBCASE("on a kept one") { request.once = false; }
  CHECK(is_unknown(f.ask(request)));
  CHECK(stub.requests().size() == 2);
}

TEST_CASE("http client: what would leave too late does not, and certainly did nothing") {
  Client f;
  HttpStub stub;
  auto request = post(stub.url(), "deploy");
  request.leave_by = steady_now() - std::chrono::milliseconds{1};
  const auto outcome = f.ask(request);
  CHECK(is_not_sent(outcome));
  CHECK(outcome.failure.what.find("too late") != std::string::npos);
  CHECK(stub.requests().empty());
  request.leave_by = steady_now() + std::chrono::seconds{20};
  CHECK(f.ask(request).response);
}

TEST_CASE("http client: connections are kept, but not for what acts") {
  Client f;
  HttpStub stub;
  REQUIRE(f.ask(get(stub.url())).response);
  REQUIRE(f.ask(get(stub.url())).response);
  CHECK(stub.connections() == 1);
  REQUIRE(f.ask(post(stub.url(), "x")).response);
  CHECK(stub.connections() == 2);
  REQUIRE(f.ask(get(stub.url())).response);
  CHECK(stub.connections() == 2);
  REQUIRE(f.ask(post(stub.url(), "x")).response);
  CHECK(stub.connections() == 3);
}

TEST_CASE("http client: a kept connection that the server closed meanwhile is replaced") {
  Client f;
  HttpStub stub;
  StubAnswer last{200, "x"};
  last.close_after = true;
  stub.next(last);
  REQUIRE(f.ask(get(stub.url())).response);
  CHECK(f.ask(get(stub.url())).response);
}

TEST_CASE("http client: only https, and http to loopback") {
  Client f;
  const auto refused = f.ask(get("http://example.com/secret"));
  CHECK(is_not_sent(refused));
  CHECK(refused.failure.what.find("secret") == std::string::npos);
  HttpStub stub;
  for (const std::string host : {"localhost", "127.0.0.1", "127.1"}) {
    INFO(host);
    CHECK(f.ask(get("http://" + host + ":" + std::to_string(stub.port()) + "/")).response);
  }
}

TEST_CASE("http client: plain http to loopback goes through no proxy") {
  // One thread has the environment here. NOLINTBEGIN(concurrency-mt-unsafe)
  const ClosedPort nowhere;
  setenv("http_proxy", nowhere.url().c_str(), 1);
  {
    Client f;
    HttpStub stub;
    CHECK(f.ask(get(stub.url())).response);
  }
  unsetenv("http_proxy");
  // NOLINTEND(concurrency-mt-unsafe)
}

TEST_CASE("http client: https goes through the proxy of the environment") {
  // NOLINTBEGIN(concurrency-mt-unsafe)
  HttpStub proxy;
  proxy.otherwise({403, "no way out"});
  setenv("https_proxy", proxy.url().c_str(), 1);
  {
    Client f;
    CHECK(is_not_sent(f.ask(post("https://name.invalid/secret", "x"))));
    REQUIRE(proxy.requests().size() == 1);
    CHECK(proxy.requests()[0].method == "CONNECT");
    CHECK(proxy.requests()[0].target == "name.invalid:443");
  }
  unsetenv("https_proxy");
  // NOLINTEND(concurrency-mt-unsafe)
}

TEST_CASE("http client: nothing can be smuggled into a request") {
  Client f;
  HttpStub stub;
  auto request = get(stub.url());
  request.headers = {{"X-Reason", "a\r\nX-Admin: 1"}};
  CHECK(is_not_sent(f.ask(request)));
  request.headers = {{"X: y\r\nX-Admin", "1"}};
  CHECK(is_not_sent(f.ask(request)));
  request.headers.clear();
  request.method = "GET / HTTP/1.1\r\n";
  CHECK(is_not_sent(f.ask(request)));
  CHECK(stub.connections() == 0);
}

TEST_CASE("http client: one request too many is refused at once") {
  Client f;
  HttpStub stub;
  StubAnswer held;
  held.how = How::hold;
  stub.otherwise(held);
  std::size_t answered = 0;
  for (std::size_t i = 0; i < HttpClient::requests_max; ++i) {
    f.client.send(get(stub.url()), [&](const HttpOutcome& o) { answered += o.response ? 1U : 0U; });
  }
  const auto outcome = f.ask(get(stub.url()));
  CHECK(is_not_sent(outcome));
  CHECK(outcome.failure.what == "too many requests are under way: 64");
  REQUIRE(stub.wait_for_requests(HttpClient::requests_max));
  stub.otherwise({});
  stub.release();
  CHECK(tests::run_until(f.reactor, [&] { return answered == HttpClient::requests_max; }));
  CHECK(f.ask(get(stub.url())).response);
}

TEST_CASE("http client: its end does not wait for an answer") {
  HttpStub stub;
  StubAnswer held;
  held.how = How::hold;
  stub.otherwise(held);
  asio::io_context reactor;
  std::atomic<bool> told = false;
  auto ended = std::async(std::launch::async, [&] {
    HttpClient client{reactor.get_executor()};
    auto request = get(stub.url());
    request.deadline = std::chrono::minutes{10};
    client.send(request, [&](const HttpOutcome&) { told = true; });
    return stub.wait_for_requests(1);
  });
  REQUIRE(ended.wait_for(std::chrono::seconds{30}) == std::future_status::ready);
  CHECK(ended.get());
  reactor.run();  // nothing keeps it from running out of work
  CHECK_FALSE(told);
}

TEST_CASE("http client: the answer keeps the executor running, and comes on it") {
  asio::io_context reactor;
  HttpClient client{reactor.get_executor()};
  HttpStub stub;
  bool told = false;
  client.send(get(stub.url()), [&](const HttpOutcome& outcome) {
    told = outcome.response.has_value() && reactor.get_executor().running_in_this_thread();
  });
  reactor.run_for(std::chrono::seconds{20});
  CHECK(told);
}

}  // namespace
}  // namespace rollbackd::engine
