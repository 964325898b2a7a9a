#pragma once

#include <cstddef>
#include <string_view>
#include <variant>

#include "engine/asio.hpp"
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

#include "engine/http/message.hpp"

namespace rollbackd::engine {

using BeastHeader = boost::beast::http::request_header<boost::beast::http::fields>;

// What Beast lets through and we do not: a wrong number of Host fields or one that is no host, a
// Transfer-Encoding other than `chunked`, two lengths, two credentials or Idempotency-Keys, a coded
// body, an unknown expectation, too many fields, a path that can be read in two ways. The header as
// the API wants it, or the refusal, after which the connection must be closed: where the next
// request would begin is then anybody's guess.
std::variant<ApiRequest, ApiResponse> clean(const BeastHeader& header, std::size_t fields_max);

// The refusal of a body with more bytes than that. `remedy`: what its sender can do; or nothing.
ApiResponse body_too_large(std::size_t bytes_max, std::string_view remedy);

// The refusal for what else Beast itself found wrong. `has_target`: the first line was read whole.
ApiResponse refusal_of(const boost::system::error_code& error, bool has_target);

}  // namespace rollbackd::engine
