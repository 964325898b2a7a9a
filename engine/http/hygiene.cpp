#include "engine/http/hygiene.hpp"

#include <algorithm>
#include <string>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>

#include "engine/http/target.hpp"

namespace rollbackd::engine {
namespace {

namespace http = boost::beast::http;

std::string text_of(boost::beast::string_view text) { return {text.data(), text.size()}; }

// Empty: nothing is wrong.
std::string_view wrong_framing(const BeastHeader& header) {
  const auto hosts = header.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && header.version() >= 11)) {
    return "There has to be exactly one Host field.";
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
  return {};
}

}  // namespace

std::variant<ApiRequest, ApiResponse> clean(const BeastHeader& header, std::size_t fields_max) {
  const auto fields = static_cast<std::size_t>(std::distance(header.begin(), header.end()));
  if (fields > fields_max) {
    return refusal(431, "Too many header fields",
                   "At most " + std::to_string(fields_max) + " are read.");
  }
  if (const auto wrong = wrong_framing(header); !wrong.empty()) {
    return refusal(400, "Bad request", wrong);
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
  request.idempotency_key = text_of(header["idempotency-key"]);
  request.accept = text_of(header[http::field::accept]);
  request.signature = text_of(header["x-signature-ed25519"]);
  request.signature_timestamp = text_of(header["x-signature-timestamp"]);
  request.authorization = text_of(header[http::field::authorization]);
  request.apikey = text_of(header["apikey"]);
  return request;
}

ApiResponse refusal_of(const boost::system::error_code& error, bool has_target) {
  if (error == http::error::body_limit) {
    return refusal(413, "Body too large", "At most 64 KiB are read.");
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return has_target ? refusal(431, "Header too large", "At most 8 KiB are read.")
                      : refusal(414, "URI too long", "At most 8 KiB of header are read.");
  }
  if (error == http::error::bad_version) {
    return refusal(505, "HTTP version not supported", "HTTP/1.1 and HTTP/1.0 are spoken here.");
  }
  return refusal(400, "Bad request", "This is not HTTP: " + error.message() + ".");
}

}  // namespace rollbackd::engine
