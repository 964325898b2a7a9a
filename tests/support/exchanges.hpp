#pragma once

#include <string>
#include <string_view>

#include "tests/support/http_request.hpp"

namespace rollbackd::tests {

// Where ROLLBACKD_EXCHANGES names a file (ctest does), what the daemon was asked and what it
// answered is written there, one JSON object a line; the file begins anew with the process.
// tests/openapi/conforms.py holds all of it against the API's document. Any thread.
void record_exchange(const std::string& method, const std::string& path, bool credential,
                     const std::string& body, const HttpAnswer& answer);

// The same of bytes that were sent, and the first answer to them, if it is a refusal and the first
// line can be read: the rest of such a request is wrong on purpose, and only the answer is looked
// at.
void record_raw_exchange(std::string_view request, std::string_view answer);

}  // namespace rollbackd::tests
