#include "engine/outgoing/url.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <memory>
#include <netinet/in.h>
#include <utility>

#include <curl/curl.h>

namespace rollbackd::engine {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using ParsedUrl = std::unique_ptr<CURLU, FreeUrl>;

// Empty when the URL has no such part.
std::string part_of(const ParsedUrl& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) {
    return {};
  }
  std::string found{text};
  curl_free(text);
  return found;
}

Error mistake(std::string what) {
  return {std::move(what), "an https URL is wanted; plain http is accepted to loopback only"};
}

}  // namespace

bool is_loopback(std::string_view address) {
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  const std::string text{address};
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    return (ntohl(v4.s_addr) >> 24U) == 127;
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) {
    return false;
  }
  constexpr std::array<std::uint8_t, 12> v4_inside{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  return IN6_IS_ADDR_LOOPBACK(&v6) != 0 ||
         (std::equal(v4_inside.begin(), v4_inside.end(), std::begin(v6.s6_addr)) &&
          v6.s6_addr[12] == 127);
}

Result<Url> parse_url(const std::string& text) {
  const ParsedUrl parsed{curl_url()};
  // A NUL would end the URL for curl only.
  if (!parsed || text.find('\0') != std::string::npos ||
      curl_url_set(parsed.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return mistake("it is not a URL");
  }
  if (!part_of(parsed, CURLUPART_USER).empty() || !part_of(parsed, CURLUPART_PASSWORD).empty()) {
    return mistake("the URL has a user or a password in it");
  }
  const std::string scheme = part_of(parsed, CURLUPART_SCHEME);
  const std::string host = part_of(parsed, CURLUPART_HOST);
  const std::string port = part_of(parsed, CURLUPART_PORT);
  Url url;
  url.text = text;
  url.origin = scheme + "://" + host + (port.empty() ? "" : ":" + port);
  url.path = part_of(parsed, CURLUPART_PATH);
  if (const std::string query = part_of(parsed, CURLUPART_QUERY); !query.empty()) {
    url.path += '?' + query;
  }
  url.is_https = scheme == "https";
  if (!url.is_https && (scheme != "http" || (host != "localhost" && !is_loopback(host)))) {
    return mistake("the URL " + url.origin + "/… is neither https nor on loopback");
  }
  return url;
}

}  // namespace rollbackd::engine
