#include "engine/http/api.hpp"

#include <doctest/doctest.h>

#include "engine/http/target.hpp"
#include "tests/support/api_kit.hpp"
#include "tests/support/fixed_clock.hpp"

namespace rollbackd::engine {
namespace {

using tests::header;

constexpr rules::Second now = 1'765'809'300;  // 2025-12-15T14:35:00Z
constexpr std::string_view known = "11111111-2222-3333-4444-555555555555";
constexpr std::string_view check_path = "/auto-rollback/check";

class FakeView final : public tests::EmptyView {
 public:
  [[nodiscard]] std::optional<rules::CheckView> check(
      const rules::DeploymentId& id) const override {
    return id.text() == known ? std::optional{answer} : std::nullopt;
  }
  [[nodiscard]] bool has_windows() const override { return has; }
  [[nodiscard]] bool is_complete() const override { return has; }
  [[nodiscard]] rules::Second as_of() const override { return second; }

  rules::CheckView answer{.should_rollback = true,
                          .reason = "High error rate: 8.5 errors/minute",
                          .healthy = false,
                          .error_rate_per_minute = 8.5,
                          .recent_errors = 42,
                          .database_connections = 45,
                          .active_queries = 12,
                          .connection_utilisation = 90.0 / 97 * 100,
                          .state = rules::State::firing,
                          .as_of = now};
  bool has = true;
  rules::Second second = now;
};

// SHA-256 of "reader" and of "writer".
constexpr std::string_view reader = "reader";
constexpr std::string_view writer = "writer";

HttpToken token_of(std::string_view name, std::string_view hex, Scope scope) {
  HttpToken token;
  token.name = name;
  token.scopes = {scope};
  for (std::size_t i = 0; i < token.sha256.size(); ++i) {
    token.sha256[i] =
        static_cast<std::uint8_t>(std::stoi(std::string{hex.substr(2 * i, 2)}, nullptr, 16));
  }
  return token;
}

std::vector<HttpToken> tokens() {
  return {token_of("reader", "3d0941964aa3ebdcb00ccef58b1bb399f9f898465e9886d5aec7f31090a0fb30",
                   Scope::read),
          token_of("writer", "b93006774cbdd4b299389a03ac3d88c3a76b460d538795bc12718011a909fba5",
                   Scope::record)};
}

ApiRequest request(std::string_view method, std::string_view path,
                   std::string_view authorization = "", std::string_view apikey = "",
                   std::string_view body = "") {
  ApiRequest made;
  made.method = method;
  made.path = path;
  made.authorization = authorization;
  made.apikey = apikey;
  made.body = body;
  return made;
}

struct Stage {
  FakeView view;
  tests::FixedClock clock{rules::instant_of(engine::now)};
  mutable tests::HandDesk desk;
  mutable tests::FixedArchive archive;
  mutable asio::io_context reactor;
  Readiness readiness{true, "leader", "", "listening", {}, {}};
  std::vector<HttpToken> known_tokens = tokens();

  [[nodiscard]] ApiResponse answer(ApiRequest request) const {
    const Api api{{view, clock, desk, archive, reactor.get_executor(),
                   [](Exposition format) {
                     return std::string{format == Exposition::text ? "m 1\n" : "m 1.0\n# EOF\n"};
                   },
                   [this] { return readiness; }, [] { return std::nullopt; }},
                  known_tokens};
    std::optional<ApiResponse> answered;
    api.answer(std::move(request), [&answered](ApiResponse response) {
      REQUIRE_FALSE(answered);
      answered = std::move(response);
    });
    REQUIRE(answered);
    return *answered;
  }
  [[nodiscard]] ApiResponse get(std::string path) const { return answer(request("GET", path)); }
  [[nodiscard]] ApiResponse check(std::string body) const {
    ApiRequest asked = request("POST", check_path, "Bearer reader");
    asked.body = std::move(body);
    return answer(std::move(asked));
  }
};

const std::string good_body = R"({"deployment_id":"11111111-2222-3333-4444-555555555555"})";

}  // namespace

TEST_CASE("api: a check answers in the words of the original, and with ours") {
  const ApiResponse response = Stage{}.check(good_body);
  CHECK(response.status == 200);
  CHECK(response.content_type == "application/json");
  CHECK(response.body ==
        R"({"should_rollback":true,"reason":"High error rate: 8.5 errors/minute",)"
        R"("connection_utilisation":92.78,"state":"firing",)"
        R"("health":{"healthy":false,"error_rate_per_minute":8.5,"recent_errors":42,)"
        R"("database_connections":45,"active_queries":12,"timestamp":"2025-12-15T14:35:00Z"}})");
}

TEST_CASE("api: whole numbers have no decimals") {
  Stage stage;
  stage.view.answer.error_rate_per_minute = 8;
  stage.view.answer.connection_utilisation = 0;
  const std::string body = stage.check(good_body).body;
  CHECK(body.find(R"("error_rate_per_minute":8,)") != std::string::npos);
  CHECK(body.find(R"("connection_utilisation":0,)") != std::string::npos);
}

TEST_CASE("api: both spellings of the path are the same") {
  const Stage stage;
  for (const char* path : {"/auto-rollback/check", "/functions/v1/auto-rollback/check"}) {
    CHECK(stage.answer(request("POST", path, "Bearer reader", "", good_body)).status == 200);
  }
  CHECK(
      stage.answer(request("POST", "/functions/v1/check", "Bearer reader", "", good_body)).status ==
      404);
  CHECK(stage.answer(request("POST", "/auto-rollbackcheck", "", "", "")).status == 404);
}

TEST_CASE("api: a body that names no deployment is refused with the reason") {
  const Stage stage;
  const std::string missing = R"({"error":"Missing deployment_id"})";
  for (const char* body : {"{}", "[]", "3", "null", R"({"deployment_id":null})",
                           R"({"deployment_id":""})", R"({"other":"x"})"}) {
    CAPTURE(body);
    CHECK(stage.check(body).status == 400);
    CHECK(stage.check(body).body == missing);
  }
  const std::string deep = std::string(1025, '[') + std::string(1025, ']');
  for (const std::string& body :
       {std::string{}, std::string{"{"}, std::string{"[[]"}, std::string{"{\"a\":\"\xff\"}"},
        std::string{"{} {}"}, std::string{"{\"n\":1e999}"},
        std::string{"{\"n\":99999999999999999999}"}, std::string{"{\"a\0\":1}", 8}, deep,
        R"({"deployment_id":"a","deployment_id":"b"})" + std::string{}}) {
    CAPTURE(body);
    const ApiResponse response = stage.check(body);
    CHECK(response.status == 400);
    CHECK(response.body.starts_with(R"({"error":"Malformed JSON","details":")"));
  }
  for (const char* body :
       {R"({"deployment_id":"42"})", R"({"deployment_id":42})", R"({"deployment_id":{}})",
        R"({"deployment_id":"11111111222233334444555555555555"})"}) {
    CAPTURE(body);
    CHECK(stage.check(body).status == 400);
    CHECK(stage.check(body).body.starts_with(R"({"error":"Invalid deployment_id","details":")"));
  }
}

TEST_CASE("api: an unknown deployment is not found") {
  const ApiResponse response =
      Stage{}.check(R"({"deployment_id":"00000000-0000-0000-0000-000000000000"})");
  CHECK(response.status == 404);
  CHECK(response.body == R"({"error":"Deployment not found"})");
}

TEST_CASE("api: nothing is said from windows that were never complete, or are over 30 s old") {
  Stage stage;
  stage.view.second = now - 30;
  CHECK(stage.check(good_body).status == 200);
  stage.view.second = now - 31;
  CHECK(stage.check(good_body).status == 503);
  CHECK(header(stage.check(good_body), "Retry-After") == "1");
  stage.view.second = now;
  stage.view.has = false;
  CHECK(stage.check(good_body).status == 503);
  CHECK(stage.check(good_body).body.starts_with(R"({"error":"Not ready","details":")"));
}

TEST_CASE("api: a check wants a token with the scope read, as Bearer or else as apikey") {
  const Stage stage;
  const auto status = [&](std::string_view authorization, std::string_view apikey) {
    return stage.answer(request("POST", check_path, authorization, apikey, good_body)).status;
  };
  CHECK(status("Bearer reader", "") == 200);
  CHECK(status("bearer  reader", "") == 200);
  CHECK(status("", "reader") == 200);
  CHECK(status("Basic cmVhZGVyOg==", "reader") == 200);
  CHECK(status("Bearer wrong", "reader") == 401);
  CHECK(status("Bearer writer", "reader") == 403);
  CHECK(status("", "") == 401);
  CHECK(status("Bearer", "") == 401);
  CHECK(status("Bearer ", "") == 401);
  CHECK(status("reader", "") == 401);

  const ApiResponse missing = stage.answer(request("POST", check_path, "", "", good_body));
  CHECK(missing.body.starts_with(R"({"error":"Missing token","details":")"));
  CHECK(header(missing, "WWW-Authenticate") == "Bearer");
  const ApiResponse scope = stage.answer(
      request("POST", check_path, std::string{"Bearer "} + std::string{writer}, "", good_body));
  CHECK(scope.body.starts_with(R"({"error":"Missing scope read","details":"The token writer)"));
  CHECK(scope.body.find(reader) == std::string::npos);
}

TEST_CASE("api: without any token configured the refusal says how to add one") {
  Stage stage;
  stage.known_tokens.clear();
  const ApiResponse response = stage.check(good_body);
  CHECK(response.status == 401);
  CHECK(response.body.find("http.tokens") != std::string::npos);
  CHECK(response.body.find("sha256sum") != std::string::npos);
}

TEST_CASE("api: browsers may call the API, and only the API") {
  const Stage stage;
  const ApiResponse preflight = stage.answer(request("OPTIONS", check_path, "", "", ""));
  CHECK(preflight.status == 200);
  CHECK(preflight.body == "ok");
  CHECK(preflight.content_type == "text/plain; charset=utf-8");
  for (const ApiResponse& response :
       {preflight, stage.check(good_body), stage.check("{"), stage.get("/auto-rollback/none"),
        stage.get(std::string{check_path})}) {
    CHECK(header(response, "Access-Control-Allow-Origin") == "*");
    CHECK(header(response, "Access-Control-Allow-Headers")
              .starts_with("authorization, x-client-info, apikey, content-type"));
  }
  CHECK(header(stage.get("/healthz"), "Access-Control-Allow-Origin").empty());
}

TEST_CASE("api: an unknown path is 404, a known one with another method 405 with what it allows") {
  const Stage stage;
  const ApiResponse unknown = stage.get("/functions/v1/auto-rollback/nothing");
  CHECK(unknown.status == 404);
  CHECK(unknown.body.starts_with(R"({"error":"Unknown endpoint","details":")"));
  CHECK(stage.get("/nothing").status == 404);
  CHECK(header(stage.get(std::string{check_path}), "Allow") == "POST, OPTIONS");
  for (const char* method : {"POST", "DELETE", "TRACE", "OPTIONS", "NONSENSE", "get"}) {
    const ApiResponse response = stage.answer(request(method, "/metrics", "", "", ""));
    CHECK(response.status == 405);
    CHECK(header(response, "Allow") == "GET, HEAD");
  }
  CHECK(stage.answer(request("HEAD", "/metrics", "", "", "")).status == 200);
}

TEST_CASE("api: metrics and health need no token") {
  const Stage stage;
  CHECK(stage.get("/metrics").body == "m 1\n");
  CHECK(stage.get("/metrics").content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(stage.get("/healthz").status == 200);
  CHECK(stage.get("/healthz").body == R"({"status":"ok"})");
}

TEST_CASE("api: metrics come as OpenMetrics to who prefers it") {
  const Stage stage;
  const auto type_for = [&](std::string_view accept) {
    ApiRequest asked = request("GET", "/metrics");
    asked.accept = accept;
    const ApiResponse response = stage.answer(asked);
    CHECK(header(response, "Vary") == "Accept");
    CHECK((response.body == "m 1\n") == response.content_type.starts_with("text/plain"));
    return response.content_type;
  };
  constexpr std::string_view text = "text/plain; version=0.0.4; charset=utf-8";
  constexpr std::string_view open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
  // What Prometheus 2.42 sends.
  CHECK(type_for("application/openmetrics-text;version=1.0.0,"
                 "application/openmetrics-text;version=0.0.1;q=0.75,"
                 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1") == open);
  CHECK(type_for("Application/OpenMetrics-Text ; Version=\"1.0.0\"") == open);
  CHECK(type_for("application/openmetrics-text") == open);
  CHECK(type_for("") == text);
  CHECK(type_for("*/*") == text);
  CHECK(type_for("text/html,application/xhtml+xml,*/*;q=0.8") == text);
  CHECK(type_for("text/plain;q=0.9,application/openmetrics-text;q=0.2") == text);
  CHECK(type_for("application/openmetrics-text;q=0") == text);
  CHECK(type_for("application/openmetrics-text;q=x") == text);
  CHECK(type_for("application/openmetrics-text;version=0.0.1") == text);
  CHECK(type_for("application/openmetrics-text;version=2.0.0,text/plain;q=0.1") == text);
  CHECK(type_for(",;;=,;q") == text);
}

TEST_CASE("api: readyz says what is wrong, with 503 when that makes it not ready") {
  Stage stage;
  CHECK(stage.get("/readyz").status == 200);
  CHECK(
      stage.get("/readyz").body ==
      R"({"ready":true,"role":"leader","leader":"","feed":"listening","problems":{},"warnings":[]})");
  stage.readiness = {false,
                     "standby",
                     "db2",
                     "polling: doorbell is off",
                     {{"windows", "not \"complete\""}},
                     {"who \"rings\""}};
  CHECK(stage.get("/readyz").status == 503);
  CHECK(stage.get("/readyz").body ==
        R"({"ready":false,"role":"standby","leader":"db2","feed":"polling: doorbell is off",)"
        R"("problems":{"windows":"not \"complete\""},"warnings":["who \"rings\""]})");
}

TEST_CASE("api: a target is decoded once, and refused when it could be read in two ways") {
  CHECK(path_of("/a%20b?x=%41") == "/a b");
  CHECK(path_of("/gr%C3%B6%C3%9Fe") == "/größe");
  CHECK(path_of("http://host:1/metrics?x") == "/metrics");
  CHECK(path_of("http://host") == "/");
  CHECK(path_of("/..a/.b/c.") == "/..a/.b/c.");
  for (const char* target :
       {"",       "*",           "a",    "host:443", "/%",       "/%4",     "/%zz",
        "/%00",   "/%0d%0a",     "/%ff", "/\xff",    "/a%2Fb",   "/..",     "/../etc",
        "/a/./b", "/a/%2e%2e/b", "/a#b", "/a?x=%",   "/a?x=%ff", "/a?x=%00"}) {
    CAPTURE(target);
    CHECK_FALSE(path_of(target).has_value());
  }
}

}  // namespace rollbackd::engine
