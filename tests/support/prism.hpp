#pragma once

#include <filesystem>
#include <string>

#include "tests/support/free_port.hpp"

namespace rollbackd::tests {

// A proxy that holds what goes through it, both ways, against GitHub's own description of its API:
// what breaks it becomes an error, and is in log(). Ends with the object, or with the test program.
class Prism {
 public:
  // `./dev setup` installs it where there is npm.
  static bool is_installed();

  explicit Prism(const std::string& upstream);
  ~Prism();
  Prism(const Prism&) = delete;
  Prism& operator=(const Prism&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string log() const;

 private:
  std::filesystem::path log_;
  int port_ = free_port();
  int pid_ = 0;
};

}  // namespace rollbackd::tests
