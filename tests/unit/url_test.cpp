#include "engine/outgoing/url.hpp"

#include <string>

#include <doctest/doctest.h>

#include "engine/outgoing/http_client.hpp"

namespace rollbackd::engine {
namespace {

TEST_CASE("url: only https, and http to loopback; a refusal does not repeat what may be secret") {
  for (const std::string url :
       {"http://example.com/secret", "http://localhost.example.com/secret",
        "http://10.0.0.1/secret", "ftp://127.0.0.1/secret", "file:///etc/secret",
        "https://user:pw@example.com/secret", "secret", "", "http://",
        "https://exa mple.com/secret", "http://0.0.0.0/secret", "http://[::2]/secret",
        "http://127.0.0.1@example.com/secret"}) {
    INFO(url);
    const auto parsed = parse_url(url);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().what.find("secret") == std::string::npos);
    CHECK(parsed.error().what.find("pw") == std::string::npos);
  }
}

TEST_CASE("url: its parts") {
  const auto url = parse_url("https://ghe.example:8443/api/v3?x=y");
  REQUIRE(url);
  CHECK(url->origin == "https://ghe.example:8443");
  CHECK(url->path == "/api/v3?x=y");
  CHECK(url->is_https);
  const auto local = parse_url("http://127.1");
  REQUIRE(local);
  CHECK(local->origin == "http://127.0.0.1");
  CHECK_FALSE(local->is_https);
  CHECK(parse_url("http://[::1]:9641/healthz"));
  CHECK(parse_url("http://localhost:80/"));
}

TEST_CASE("url: loopback in all its spellings, and nothing else") {
  for (const char* yes : {"127.0.0.1", "127.255.0.3", "::1", "[::1]", "::ffff:127.0.0.1"}) {
    CHECK(is_loopback(yes));
  }
  for (const char* no : {"128.0.0.1", "10.0.0.1", "0.0.0.0", "::", "::2", "::ffff:10.0.0.1",
                         "fe80::1", "localhost", "", "127.0.0.1.example.com"}) {
    CHECK_FALSE(is_loopback(no));
  }
}

TEST_CASE("url: what may be said of a URL") {
  CHECK(origin_of("https://discord.com/api/webhooks/1/token?x=y") == "https://discord.com");
  CHECK(origin_of("https://ghe.example:8443/x") == "https://ghe.example:8443");
  CHECK(origin_of("https://user:pw@host/x") == "the URL");
  CHECK(origin_of("nonsense") == "the URL");
}

}  // namespace
}  // namespace rollbackd::engine
