#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rollbackd::tests::torture {

// One kept HTTP connection to a port of this machine. Whatever goes wrong is told as nothing, and
// the link is of no use any more.
class HttpLink {
 public:
  struct Answer {
    int status = 0;
    std::string body;
  };

  explicit HttpLink(std::uint16_t port);
  ~HttpLink();
  HttpLink(const HttpLink&) = delete;
  HttpLink& operator=(const HttpLink&) = delete;

  // Sends the requests one behind the other and gives the answers in the same order.
  std::optional<std::vector<Answer>> ask(const std::vector<std::string>& requests);

 private:
  bool send(std::string_view bytes) const;
  bool fill();
  std::optional<Answer> receive();

  int socket_ = -1;
  std::string received_;
};

}  // namespace rollbackd::tests::torture
