#include <chrono>
#include <cstdio>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/http_stage.hpp"

namespace rollbackd::tests {
namespace {

const std::string check = "/auto-rollback/check HTTP/1.1\r\nHost: h\r\n";

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) {
    out += text;
  }
  return out;
}

struct Refused {
  std::string request;
  int status;
};

const std::vector<Refused> bad_framing{
    // Host.
    {"GET /healthz HTTP/1.1\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    // Where the body ends must not be a matter of opinion.
    {"POST " + check + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
    {"POST " + check + "Transfer-Encoding: identity\r\n\r\n", 400},
    {"POST " + check + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400},
    {"POST " + check + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400},
    {"POST /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"POST " + check + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
    {"POST " + check + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400},
    {"POST " + check + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400},
    {"POST " + check + "Content-Length: -1\r\n\r\n", 400},
    {"POST " + check + "Content-Length: +2\r\n\r\n{}", 400},
    {"POST " + check + "Content-Length: 2x\r\n\r\n{}", 400},
    {"POST " + check + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400},
    {"POST " + check + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer a\r\nAuthorization: Bearer "
     "b\r\n\r\n",
     400},
};

const std::vector<Refused> too_large{
    {"GET /healthz HTTP/1.1\r\nHost: h\r\nX: " + std::string(9000, 'x') + "\r\n\r\n", 431},
    {"GET /healthz HTTP/1.1\r\nHost: h\r\n" + repeated("a: b\r\n", 1000) + "\r\n", 431},
    {"GET /healthz HTTP/1.1\r\n" + repeated("Host: h\r\n", 65) + "\r\n", 431},
    {"GET /" + std::string(64 * 1024, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
    {"POST " + check + "Content-Length: 65537\r\n\r\n" + std::string(65537, ' '), 413},
    {"POST " + check + "Content-Length: 99999999999999\r\n\r\n", 413},
    {"POST " + check + "Transfer-Encoding: chunked\r\n\r\n" +
         repeated("4000\r\n" + std::string(0x4000, ' ') + "\r\n", 5) + "0\r\n\r\n",
     413},
};

const std::vector<Refused> no_http{
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {std::string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11}, 400},
    {std::string{"\0\0\0\0\0\0", 6}, 400},
    {"hello\r\n\r\n", 400},
    {"GET /healthz HTTP/1.1\nHost: h\n\n", 505},
    {"GET  /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /healthz HTTP/9.9\r\nHost: h\r\n\r\n", 505},
    {"GET /healthz HTTP/1.1\r\nHost : h\r\n\r\n", 400},
    {std::string{"GET /health\0z HTTP/1.1\r\nHost: h\r\n\r\n", 35}, 400},
    {"CONNECT host:443 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
};

const std::vector<Refused> bad_paths{
    {"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /%ff HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /../healthz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
    {"GET /healthz?x=% HTTP/1.1\r\nHost: h\r\n\r\n", 400},
};

void check_all(const std::vector<Refused>& refused) {
  const HttpStage stage;
  for (const Refused& one : refused) {
    CAPTURE(one.request.substr(0, 120));
    // talk() returns when the server has closed the connection.
    const std::string answer = stage.talk(one.request);
    CHECK(status_of(answer) == one.status);
    CHECK(field_of(answer, "connection") == "close");
    CHECK(field_of(answer, "x-request-id").size() > 8);
    CHECK(body_of(answer).starts_with("{\"error\":\""));
  }
  CHECK(status_of(stage.talk(get_health_and_close)) == 200);
}

}  // namespace

TEST_CASE("http: a request whose end is a matter of opinion is refused and the connection closed") {
  check_all(bad_framing);
}

TEST_CASE("http: what is too large is refused and the connection closed") { check_all(too_large); }

TEST_CASE("http: what is no HTTP is refused and the connection closed") { check_all(no_http); }

TEST_CASE("http: a path that could be read in two ways is refused") { check_all(bad_paths); }

TEST_CASE(
    "http: connections are kept, and each answer has a request id of its own that is logged") {
  HttpStage stage;
  RawConnection connection{stage.port};
  std::set<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    connection.send(get_health);
    const std::string answer = connection.receive();
    CHECK(status_of(answer) == 200);
    CHECK(body_of(answer) == R"({"status":"ok"})");
    CHECK(field_of(answer, "content-type") == "application/json");
    ids.insert(field_of(answer, "x-request-id"));
  }
  CHECK(ids.size() == 3);
  connection.send("GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  const std::string last = connection.receive_all();
  CHECK(status_of(last) == 404);
  const std::string id = field_of(last, "x-request-id");
  CHECK(stage.log.text().find("http_request request_id=" + id +
                              " method=GET path=/none status=404 duration_us=") !=
        std::string::npos);
  CHECK(stage.meter.answers() == std::map<std::string, int>{{"GET /healthz 200", 3}, {"  404", 1}});
  CHECK(stage.meter.counted(engine::Count::http_errors) == 1);
  CHECK(stage.meter.observed(engine::Timing::http_request) == 4);
}

TEST_CASE("http: HTTP/1.0 is answered and closed, HEAD has no body, Expect is answered") {
  const HttpStage stage;
  CHECK(status_of(stage.talk("GET /healthz HTTP/1.0\r\n\r\n")) == 200);

  RawConnection head{stage.port};
  head.send("HEAD /healthz HTTP/1.1\r\nHost: h\r\n\r\n" + get_health_and_close);
  const std::string to_head = head.receive(true);
  CHECK(status_of(to_head) == 200);
  CHECK(field_of(to_head, "content-length") == "15");
  CHECK(body_of(head.receive_all()) == R"({"status":"ok"})");

  RawConnection expecting{stage.port};
  expecting.send("POST " + check + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(status_of(expecting.receive()) == 100);
  expecting.send("{}");
  CHECK(status_of(expecting.receive()) == 401);
}

TEST_CASE("http: a stream has its request id in the log, and HEAD gets its header only") {
  HttpStage stage;
  stage.on_reactor(
      [&] { stage.archive.answer = std::optional<std::string>{R"({"status":"in_progress"})"}; });
  const std::string rest =
      " /auto-rollback/events/" + some_event + "/stream HTTP/1.1\r\nHost: h\r\nApikey: all\r\n\r\n";
  const std::string to_head = stage.talk("HEAD" + rest);
  CHECK(status_of(to_head) == 200);
  CHECK(field_of(to_head, "content-type") == "text/event-stream");
  CHECK(body_of(to_head).empty());

  RawConnection follower{stage.port};
  follower.send("GET" + rest);
  CHECK(follower.hears_within(std::chrono::seconds{30}));
  stage.on_reactor([&] {
    rules::Rollback ended = a_rollback();
    ended.status = rules::RollbackStatus::success;
    stage.desk.tell(ended);
  });
  const std::string stream = follower.receive_all();
  CHECK(body_of(stream).starts_with("event: end\n"));
  CHECK(stage.log.text().find("http_request request_id=" + field_of(stream, "x-request-id") +
                              " method=GET") != std::string::npos);
}

TEST_CASE("http: an unknown method gets 405 with what is allowed") {
  const HttpStage stage;
  for (const char* method : {"TRACE", "DELETE", "OPTIONS", "NONSENSE"}) {
    const std::string answer = stage.talk(
        std::string{method} + " /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    CHECK(status_of(answer) == 405);
    CHECK(field_of(answer, "allow") == "GET, HEAD");
  }
}

TEST_CASE("http: a body of exactly the limit is read, whole or in chunks") {
  const HttpStage stage;
  const std::string body(64 * 1024, ' ');
  RawConnection connection{stage.port};
  connection.send("POST " + check + "Content-Length: 65536\r\n\r\n" + body);
  CHECK(status_of(connection.receive()) == 401);
  connection.send("POST " + check + "Transfer-Encoding: Chunked\r\n\r\n10000\r\n" + body +
                  "\r\n0\r\n\r\n");
  CHECK(status_of(connection.receive()) == 401);
}

TEST_CASE("http: a delivery of alerts may be larger, of who sends a good token") {
  HttpStage stage;
  const std::size_t most = 1024 * 1024;
  const auto deliver = [&](const std::string& token, std::size_t bytes, bool in_chunks) {
    std::string body = R"({"version":"4","alerts":[]})";
    body.resize(bytes, ' ');
    const std::string head = "POST /alertmanager HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" +
                             (token.empty() ? "" : "Apikey: " + token + "\r\n");
    if (!in_chunks) {
      return stage.talk(head + "Content-Length: " + std::to_string(bytes) + "\r\n\r\n" + body);
    }
    std::string chunks;
    for (std::size_t at = 0; at < bytes; at += 0x10000) {
      const std::string chunk = body.substr(at, 0x10000);
      char size[17];
      std::snprintf(size, sizeof size, "%zx", chunk.size());
      chunks += std::string{size} + "\r\n" + chunk + "\r\n";
    }
    return stage.talk(head + "Transfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n");
  };
  for (const bool in_chunks : {false, true}) {
    CAPTURE(in_chunks);
    CHECK(status_of(deliver("all", most, in_chunks)) == 200);
    const std::string larger = deliver("all", most + 1, in_chunks);
    CHECK(status_of(larger) == 413);
    CHECK(larger.find("at most 1024 KiB") != std::string::npos);
    CHECK(larger.find("max_alerts") != std::string::npos);
    // Strangers, and who may not send alerts, as ever.
    for (const char* token : {"", "reader", "guessed"}) {
      CAPTURE(token);
      const std::string refused = deliver(token, 64 * 1024 + 1, in_chunks);
      CHECK(status_of(refused) == 413);
      CHECK(refused.find("at most 64 KiB") != std::string::npos);
      CHECK(status_of(deliver(token, 64 * 1024, in_chunks)) ==
            (std::string_view{token} == "reader" ? 403 : 401));
    }
  }
  CHECK(stage.archive.deliveries.size() == 2);
}

TEST_CASE("http: a thousand pipelined requests are answered one after the other") {
  const HttpStage stage;
  RawConnection connection{stage.port};
  std::thread sender{[&] { connection.send(repeated(get_health, 1000) + get_health_and_close); }};
  int answered = 0;
  while (status_of(connection.receive()) == 200) {
    ++answered;
  }
  sender.join();
  CHECK(answered == 1001);
}

TEST_CASE("http: a handler that throws costs its client the connection and nobody anything else") {
  const HttpStage stage{{}, []() -> std::string { throw std::runtime_error{"broken\nline"}; }};
  const std::string answer = stage.talk("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(status_of(answer) == 500);
  CHECK(answer.find("broken") == std::string::npos);
  CHECK(stage.log.has(engine::LogLevel::error, "http_handler_failed"));
  CHECK(status_of(stage.talk(get_health_and_close)) == 200);
}

TEST_CASE("http: a client that goes away in the middle of a request is forgotten") {
  const HttpStage stage;
  {
    const RawConnection half{stage.port};
    half.send("POST " + check + "Content-Length: 10\r\n\r\n{");
  }
  RawConnection finished{stage.port};
  finished.send("GET /healthz HT");
  finished.finish();
  CHECK(finished.receive_all().empty());
  CHECK(status_of(stage.talk(get_health_and_close)) == 200);
}

TEST_CASE("http: an address that is taken is an error that names it") {
  HttpStage stage;
  const auto second = stage.listen_again();
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().what ==
        "cannot listen on 127.0.0.1:" + std::to_string(stage.port) + ": Address already in use");
}

}  // namespace rollbackd::tests
