#include "engine/http/hygiene.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include "engine/http/target.hpp"

namespace rollbackd::engine {
namespace {

namespace http = boost::beast::http;

constexpr const char* key_field = "idempotency-key";

std::string text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

// A name or address and perhaps a port; user names, paths and lists are something else.
bool is_host(boost::beast::string_view host) {
  return std::all_of(host.begin(), host.end(), [](char c) {
    return c > ' ' && c < '\x7f' &&
           std::string_view{"/\\@?#,\"<>{}|^`"}.find(c) == std::string_view::npos;
  });
}

// Empty: nothing is wrong.
std::string_view wrong_framing(const BeastHeader& header) {
  const auto hosts = header.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && header.version() >= 11)) {
    return "There has to be exactly one Host field.";
  }
  if (!is_host(header[http::field::host])) {
    return "Host has to be a name or an address, and perhaps a port.";
  }
  const auto encodings = header.count(http::field::transfer_encoding);
  const auto lengths = header.count(http::field::content_length);
  if (encodings > 0 && header.version() < 11) {
    return "HTTP/1.0 has no Transfer-Encoding.";
  }
  if (encodings > 1 || (encodings == 1 && !boost::beast::iequals(
                                              header[http::field::transfer_encoding], "chunked"))) {
    return "The only Transfer-Encoding that is understood is chunked.";
  }
  if (lengths + encodings > 1) {
    return "The body's length has to be given once.";
  }
  if (header.count(http::field::authorization) > 1 || header.count("apikey") > 1) {
    return "There has to be one credential.";
  }
  const auto keys = header.count(key_field);
  if (keys > 1 || (keys == 1 && header[key_field].empty())) {
    return "There has to be one Idempotency-Key, or none.";
  }
  return {};
}

// What is understood of these, where they are there at all.
std::optional<ApiResponse> not_understood(const BeastHeader& header) {
  using boost::beast::iequals;
  const auto coding = header[http::field::content_encoding];
  if (!coding.empty() && !iequals(coding, "identity")) {
    return refusal(415, "Content-Encoding not understood",
                   "Send the body as it is, not compressed.");
  }
  const auto expected = header[http::field::expect];
  if (!expected.empty() && !iequals(expected, "100-continue")) {
    return refusal(417, "Expectation not understood",
                   "Send Expect: 100-continue, or leave the field out.");
  }
  return std::nullopt;
}

}  // namespace

std::variant<ApiRequest, ApiResponse> clean(const BeastHeader& header, std::size_t fields_max) {
  const auto fields = static_cast<std::size_t>(std::distance(header.begin(), header.end()));
  if (fields > fields_max) {
    return refusal(431, "Too many header fields",
                   "Send at most " + std::to_string(fields_max) + ".");
  }
  if (const auto wrong = wrong_framing(header); !wrong.empty()) {
    return refusal(400, "Bad request", wrong);
  }
  if (auto refused = not_understood(header)) {
    return std::move(*refused);
  }
  auto path = path_of(text_of(header.target()));
  if (!path) {
    return refusal(
        400, "Bad request",
        "The path has to be an absolute one in UTF-8, correctly percent-encoded, without "
        "control characters, encoded slashes, . and .. segments.");
  }
  ApiRequest request;
  request.method = text_of(header.method_string());
  request.path = std::move(*path);
  request.query = query_of(text_of(header.target()));
  request.prefer = text_of(header["prefer"]);
  request.idempotency_key = text_of(header[key_field]);
  request.accept = text_of(header[http::field::accept]);
  request.signature = text_of(header["x-signature-ed25519"]);
  request.signature_timestamp = text_of(header["x-signature-timestamp"]);
  request.authorization = text_of(header[http::field::authorization]);
  request.apikey = text_of(header["apikey"]);
  return request;
}

ApiResponse body_too_large(std::size_t bytes_max, std::string_view remedy) {
  return refusal(413, "Body too large",
                 "Send at most " + std::to_string(bytes_max / 1024) + " KiB." +
                     (remedy.empty() ? "" : " " + std::string{remedy}));
}

ApiResponse refusal_of(const boost::system::error_code& error, bool has_target) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return has_target ? refusal(431, "Header too large", "Send at most 8 KiB of header.")
                      : refusal(414, "URI too long",
                                "Send at most 8 KiB of header, the path and query among it.");
  }
  if (error == http::error::bad_version) {
    return refusal(505, "HTTP version not supported", "Speak HTTP/1.1 or HTTP/1.0, without TLS.");
  }
  return refusal(
      400, "Bad request",
      "This is not HTTP (" + error.message() + "): send a request of HTTP/1.1, without TLS.");
}

}  // namespace rollbackd::engine
