// The catalogue of malformed and hostile requests, row by row (G1 to G20): each gets its status and
// a JSON error that says what to send instead, and the next client is served. What needs a whole
// daemon, or all of its descriptors, is in http_abuse_test.cpp.

#include <chrono>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/daemon.hpp"
#include "tests/support/http_stage.hpp"

namespace rollbackd::tests {
namespace {

using std::chrono::milliseconds;

const std::string uuid = "11111111-2222-3333-4444-555555555555";

struct Row {
  std::string id;
  std::string request;
  int status;
  std::string says;  // in the error or its details
  bool closes = true;
};

std::string request(const std::string& line, const std::string& fields,
                    const std::string& body = "", const std::string& token = "all") {
  return line + " HTTP/1.1\r\nHost: h\r\nApikey: " + token + "\r\n" + fields +
         (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" +
         body;
}

std::string check(const std::string& fields, const std::string& body = "") {
  return request("POST /auto-rollback/check", fields, body);
}

std::string execute(const std::string& body) { return request("POST /auto-rollback", "", body); }

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

const std::vector<Row> of_the_header{
    {"G4", request("GET /healthz", "X: " + std::string(9000, 'x') + "\r\n"), 431, "at most 8 KiB"},
    {"G4", request("GET /healthz", repeated("a: b\r\n", 1000)), 431, "at most 64"},
    {"G4", request("GET /healthz", repeated("a:b\r\n", 65)), 431, "at most 64"},
    {"G4", "GET /" + std::string(64 * 1024, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414,
     "at most 8 KiB"},
    {"G5", check("Content-Length: 65537\r\n"), 413, "at most 64 KiB"},
    {"G5", check("Content-Length: 4\r\nContent-Length: 5\r\n"), 400, "send a request of HTTP/1.1"},
    {"G5", check("Content-Length: -1\r\n"), 400, "send a request of HTTP/1.1"},
    {"G5", check("Content-Length: 99999999999999999999\r\n"), 400, "send a request of HTTP/1.1"},
    {"G5", check("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"), 400,
     "send a request of HTTP/1.1"},
    {"G5", check("Transfer-Encoding: xchunked\r\n"), 400, "understood is chunked"},
    {"G5", check("Transfer-Encoding: chunked\r\n") + "zz\r\n", 400, "send a request of HTTP/1.1"},
    {"G5", "POST /auto-rollback/check HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
     "HTTP/1.0 has no"},
    {"G5", check("Content-Encoding: gzip\r\n"), 415, "not compressed"},
    {"G5", check("Expect: 200-maybe\r\n"), 417, "100-continue"},
    {"G6", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "Speak HTTP/1.1"},
    {"G6", std::string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11}, 400, "without TLS"},
    {"G6", std::string{"\0\xff\0\xfe\r\n\r\n", 8}, 400, "send a request of HTTP/1.1"},
    {"G7", "GET /%ff HTTP/1.1\r\nHost: h\r\n\r\n", 400, "in UTF-8"},
    {"G7", "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400, "correctly percent-encoded"},
    {"G7", "GET /a/../metrics HTTP/1.1\r\nHost: h\r\n\r\n", 400, "without"},
    {"G7", "GET /%2e%2e/metrics HTTP/1.1\r\nHost: h\r\n\r\n", 400, "without"},
    {"G7", "GET /metrics%00 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "control characters"},
    {"G7", request("GET /auto-rollback/history?status=%zz", ""), 400, "percent-encoded"},
    {"G7", request("GET /auto-rollback/history?status=%00", ""), 400, "control characters"},
    {"G8", "GET /a%0d%0alevel=error HTTP/1.1\r\nHost: h\r\n\r\n", 400, "control characters"},
    {"G8", "GET /a%1b%5b31m HTTP/1.1\r\nHost: h\r\n\r\n", 400, "control characters"},
    {"G11", check("Idempotency-Key: a\r\nIdempotency-Key: b\r\n"), 400, "one Idempotency-Key"},
    {"G11", check("Idempotency-Key:\r\n"), 400, "one Idempotency-Key"},
    {"G14", "GET /healthz HTTP/1.1\r\n\r\n", 400, "exactly one Host"},
    {"G14", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "exactly one Host"},
    {"G14", "GET /healthz HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "name or an address"},
    {"G14", "GET /healthz HTTP/1.1\r\nHost: a@b/\r\n\r\n", 400, "name or an address"},
};

const std::vector<Row> of_what_is_asked{
    {"G7", check("", "{\"deployment_id\":\"\xff\"}"), 400, "Malformed JSON", false},
    {"G7", check("", R"({"deployment_id":"\u0000"})"), 400, "without", false},
    {"G7", check("", R"({"deployment_id":"\ud800"})"), 400, "Malformed JSON", false},
    {"G10", request("POST /auto-rollback", "", "{}", "reader"), 403, "has not the scope rollback",
     false},
    {"G11",
     request("POST /auto-rollback/pause", "Idempotency-Key: " + std::string(300, 'k') + "\r\n",
             R"({"reason":"x"})"),
     400, "1 to 255", false},
    {"G13", "TRACE /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 405, "answers to GET", false},
    {"G13", "NONSENSE /auto-rollback HTTP/1.1\r\nHost: h\r\n\r\n", 405, "answers to POST, OPTIONS",
     false},
    {"G13", "DELETE /auto-rollback/deployments HTTP/1.1\r\nHost: h\r\n\r\n", 405, "GET, HEAD, POST",
     false},
    {"G13", "GET /auto-rollbacks HTTP/1.1\r\nHost: h\r\n\r\n", 404, "all there are: ", false},
    {"G18", check("", repeated("[", 1025) + repeated("]", 1025)), 400, "Malformed JSON", false},
    {"G18", check("", R"({"deployment_id":1e999})"), 400, "", false},
    {"G18", check("", R"({"deployment_id":18446744073709551616})"), 400, "", false},
    {"G18", check("", "{"), 400, "Malformed JSON", false},
    {"G18", check("Content-Length: 0\r\n"), 400, "expected a JSON object", false},
    {"G18", check("", "[]"), 400, "Missing deployment_id", false},
    {"G18", check("", R"({"deployment_id":"v2"})"), 400, "a uuid such as", false},
    {"G18", check("", R"({"deployment_id":")" + uuid + R"(","deployment_id":")" + uuid + R"("})"),
     400, "more than once", false},
    {"G18", execute(R"({"deployment_id":")" + uuid + R"("})"), 400,
     "Missing required fields: deployment_id, trigger_reason", false},
    {"G18", execute(R"({"deployment_id":")" + uuid + R"(","trigger_reason":1})"), 400, "a text",
     false},
    {"G18",
     execute(R"({"deployment_id":")" + uuid + R"(","trigger_reason":"x","initiated_by":"ann"})"),
     400, "initiated_by has to be a uuid", false},
    {"G18", execute(R"({"deployment_id":")" + uuid + R"(","trigger_reason":"x","dry_run":"yes"})"),
     400, "true or false", false},
    {"G18",
     execute(R"({"deployment_id":")" + uuid + R"(","trigger_reason":"x","override":["law"]})"), 400,
     "a list of preconditions", false},
    {"G18", request("POST /auto-rollback/approve", "", R"({"reason":"x"})"), 400,
     "event_id has to be", false},
    {"G18", request("POST /auto-rollback/pause", "", "{}"), 400, "says why", false},
    {"G18", request("GET /auto-rollback/history?limit=0", ""), 400, "from 1 to 1000", false},
    {"G18", request("GET /auto-rollback/history?limit=18446744073709551616", ""), 400,
     "from 1 to 1000", false},
    {"G18", request("GET /auto-rollback/history?before=x", ""), 400, "the id of a row", false},
    {"G18", request("GET /auto-rollback/events/v2", ""), 400, "event_id of a rollback", false},
    {"G18", request("POST /auto-rollback/deployments", "", R"({"environment":"e"})"), 400,
     "version has to be", false},
    {"G18",
     request("POST /auto-rollback/deployments", "",
             R"({"environment":"e","version":"v","git_commit":"c","git_branch":"b","service":")" +
                 std::string(501, 's') + "\"}"),
     400, "a text of 1 to 500 bytes", false},
    {"G18", request("PATCH /auto-rollback/deployments/" + uuid, "", R"({"status":"rolled_back"})"),
     400, "pending, in_progress, success or failed", false},
};

void check_answer(const Row& row, const std::string& answer) {
  CAPTURE(row.id);
  CAPTURE(row.request.substr(0, 160));
  CAPTURE(answer.substr(0, 1200));
  CHECK(status_of(answer) == row.status);
  CHECK(field_of(answer, "content-type") == "application/json");
  CHECK(field_of(answer, "x-request-id").size() > 8);
  const auto told = nlohmann::json::parse(body_of(answer), nullptr, false);
  REQUIRE(told.is_object());
  CHECK(!told.value("error", "").empty());
  const std::string all = told.value("error", "") + " " + told.value("details", "");
  CHECK(all.find(row.says) != std::string::npos);
}

}  // namespace

TEST_CASE(
    "catalogue: every malformed header gets its status and is told what to send, then closed") {
  const HttpStage stage;
  for (const Row& row : of_the_header) {
    const std::string answer = stage.talk(row.request);
    check_answer(row, answer);
    CHECK(field_of(answer, "connection") == "close");
    CHECK(status_of(stage.talk(get_health_and_close)) == 200);
  }
}

TEST_CASE("catalogue: what cannot be done is told with what to send, and the connection goes on") {
  const HttpStage stage;
  RawConnection connection{stage.port};
  for (const Row& row : of_what_is_asked) {
    connection.send(row.request);
    check_answer(row, connection.receive());
  }
  connection.send(get_health);
  CHECK(status_of(connection.receive()) == 200);
}

TEST_CASE("catalogue G1: slow headers, slow bodies and slow readers have deadlines of their own") {
  engine::HttpLimits limits;
  limits.header_deadline = limits.body_deadline = limits.linger = milliseconds{500};
  const HttpStage stage{limits, [] { return std::string(32U << 20U, 'm'); }};
  RawConnection header{stage.port};
  header.send("GET /healthz HTTP/1.1\r\n");
  RawConnection body{stage.port};
  body.send(check("Content-Length: 5\r\n") + "{");
  RawConnection reader{stage.port};
  reader.send("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(status_of(stage.talk(get_health_and_close)) == 200);
  check_answer({"G1", "slow header", 408, "took too long"}, header.receive_all());
  check_answer({"G1", "slow body", 408, "took too long"}, body.receive_all());
  stage.wait_for_answer("GET /metrics 200");
  CHECK(reader.receive_all().size() < (32U << 20U));
}

TEST_CASE("catalogue G2: of three hundred idle connections the newest 256 are kept") {
  const HttpStage stage;
  std::vector<RawConnection> idle;
  for (int i = 0; i < 300; ++i) {
    idle.emplace_back(stage.port);
  }
  CHECK(status_of(stage.talk(get_health_and_close)) == 200);
  CHECK(idle.front().receive_all().empty());
  idle.back().send(get_health);
  CHECK(status_of(idle.back().receive()) == 200);
}

TEST_CASE("catalogue G6: HTTP/1.0 and a thousand pipelined requests are answered") {
  const HttpStage stage;
  CHECK(status_of(stage.talk("GET /healthz HTTP/1.0\r\n\r\n")) == 200);
  RawConnection connection{stage.port};
  std::thread sender{[&] { connection.send(repeated(get_health, 1000)); }};
  int answered = 0;
  for (int i = 0; i < 1000; ++i) {
    answered += status_of(connection.receive()) == 200 ? 1 : 0;
  }
  sender.join();
  CHECK(answered == 1000);
}

TEST_CASE("catalogue G9: ten thousand wrong tokens lock out nobody with a good one, nor /metrics") {
  HttpStage stage{{}, [] { return "m 1\n"; }, {}};
  stage.on_reactor([&] {
    stage.desk.at_once = rules::Answer{0, rules::Answer::Kind::accepted, {}, {}};
  });
  RawConnection guesser{stage.port};
  RawConnection valid{stage.port};
  int unknown = 0;
  int slowed = 0;
  std::string last_slowed;
  const auto begun = engine::steady_now();
  for (int i = 0; i < 10'000; ++i) {
    guesser.send(request("GET /auto-rollback/history", "", "", "guess" + std::to_string(i)));
    const std::string answer = guesser.receive();
    unknown += status_of(answer) == 401 ? 1 : 0;
    if (status_of(answer) == 429) {
      ++slowed;
      last_slowed = answer;
    }
    if (i % 1000 == 999) {
      valid.send(request("POST /auto-rollback/pause", "", R"({"reason":"x"})"));
      CHECK(status_of(valid.receive()) == 200);
      CHECK(status_of(stage.talk(
                "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")) == 200);
    }
  }
  CHECK(unknown + slowed == 10'000);
  // 20 at once and one a second.
  CHECK(unknown <= 21 + rules::in_seconds(engine::steady_now() - begun));
  check_answer({"G9", "wrong token", 429, "send one of http.tokens"}, last_slowed);
  CHECK(field_of(last_slowed, "retry-after") == "1");
  // A spoofed address is nobody's (G14), or the next twenty were unknown.
  const auto spoofing = engine::steady_now();
  int spoofed = 0;
  for (int i = 0; i < 20; ++i) {
    guesser.send(
        request("GET /auto-rollback/history", "X-Forwarded-For: 10.9.8.7\r\n", "", "guess"));
    spoofed += status_of(guesser.receive()) == 401 ? 1 : 0;
  }
  CHECK(spoofed <= 1 + rules::in_seconds(engine::steady_now() - spoofing));
}

TEST_CASE("catalogue G9: a token that is used too often waits, and the others do not") {
  engine::RateSettings rates;
  rates.requests = {5, 0.2};
  const HttpStage stage{{}, [] { return "m 1\n"; }, rates};
  RawConnection connection{stage.port};
  const auto begun = engine::steady_now();
  for (int i = 0; i < 5; ++i) {
    connection.send(request("GET /auto-rollback/history", "", "", "reader"));
    CHECK(status_of(connection.receive()) == 200);
  }
  connection.send(request("GET /auto-rollback/history", "", "", "reader"));
  const std::string refused = connection.receive();
  const double passed = rules::in_seconds(engine::steady_now() - begun);
  check_answer({"G9", "too often", 429, "The token reader has been used too often"}, refused);
  // One of the five comes back every five seconds.
  const int again_after = std::stoi(field_of(refused, "retry-after"));
  CHECK(again_after <= 5);
  CHECK(again_after >= 5 - passed);
  CHECK(field_of(refused, "access-control-allow-origin") == "*");
  connection.send(request("GET /auto-rollback/history", ""));
  CHECK(status_of(connection.receive()) == 200);
}

TEST_CASE("catalogue G10, G20: what a token may not do is in the log with the token's name") {
  const HttpStage stage;
  for (const std::string path : {"/auto-rollback", "/auto-rollback/pause", "/auto-rollback/resume",
                                 "/auto-rollback/approve", "/auto-rollback/abort"}) {
    const std::string answer =
        stage.talk(request("POST " + path, "Connection: close\r\n", "{}", "reader"));
    CHECK(status_of(answer) == 403);
    CHECK(stage.log.text().find("path=" + path + " status=403") != std::string::npos);
  }
  CHECK(stage.log.text().find("token=reader") != std::string::npos);
}

TEST_CASE(
    "catalogue G12: a client that goes away while its request is carried out undoes nothing") {
  HttpStage stage;
  {
    const RawConnection gone{stage.port};
    gone.send(request("POST /auto-rollback/pause", "Idempotency-Key: k\r\n", R"({"reason":"x"})"));
    eventually("the request to be at the desk", 30, [&] {
      std::promise<bool> waits;
      stage.on_reactor([&] { waits.set_value(stage.desk.waiting.size() == 1); });
      return waits.get_future().get();
    });
  }
  stage.on_reactor([&] { stage.desk.waiting[0]({0, rules::Answer::Kind::accepted, {}, {}}); });
  const std::string again =
      stage.talk(request("POST /auto-rollback/pause", "Idempotency-Key: k\r\nConnection: close\r\n",
                         R"({"reason":"x"})"));
  CHECK(status_of(again) == 200);
  CHECK(field_of(again, "idempotency-replayed") == "true");
  std::promise<std::size_t> asked;
  stage.on_reactor([&] { asked.set_value(stage.desk.asked.size()); });
  CHECK(asked.get_future().get() == 1);
}

TEST_CASE("catalogue G13: a browser's preflight is answered on every route of the API") {
  const HttpStage stage;
  for (const std::string path :
       {"", "/check", "/history?limit=5", "/deployments", "/deployments/1", "/events/1",
        "/events/1/stream", "/approve", "/abort", "/pause", "/resume"}) {
    const std::string answer = stage.talk(
        "OPTIONS /functions/v1/auto-rollback" + path +
        " HTTP/1.1\r\nHost: h\r\nOrigin: https://example.org\r\nAccess-Control-Request-Method: "
        "PATCH\r\n"
        "Access-Control-Request-Headers: apikey,authorization,content-type,idempotency-key,prefer,"
        "x-client-info,x-region\r\nConnection: close\r\n\r\n");
    CHECK(status_of(answer) == 200);
    CHECK(body_of(answer) == "ok");
    CHECK(field_of(answer, "access-control-allow-origin") == "*");
    CHECK(field_of(answer, "access-control-allow-methods").find("PATCH") != std::string::npos);
    const std::string allowed = field_of(answer, "access-control-allow-headers") + ",";
    for (const std::string field : {"apikey", "authorization", "content-type", "idempotency-key",
                                    "prefer", "x-client-info", "x-region"}) {
      CHECK(allowed.find(field + ",") != std::string::npos);
    }
  }
}

TEST_CASE("catalogue G15: a handler that throws is a 500 that says where to look, and no end") {
  const HttpStage stage{{}, []() -> std::string { throw std::runtime_error{"secret\nline"}; }};
  const std::string answer = stage.talk("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
  check_answer({"G15", "GET /metrics", 500, "its log says more"}, answer);
  CHECK(status_of(stage.talk(get_health_and_close)) == 200);
}

}  // namespace rollbackd::tests
