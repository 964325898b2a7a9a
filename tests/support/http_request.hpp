#pragma once

#include <string>

namespace rollbackd::tests {

struct HttpAnswer {
  int status = 0;
  std::string headers;
  std::string body;
};

// One request to 127.0.0.1 on a connection of its own. `token`: sent as Bearer unless empty.
// `fields`: more lines of the header, each with its CR LF. Throws std::runtime_error when nothing
// comes back.
HttpAnswer http_request(int port, const std::string& method, const std::string& path,
                        const std::string& body = "", const std::string& token = "",
                        const std::string& fields = "");

}  // namespace rollbackd::tests
