#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace rollbackd::tests {

// tests/support/github/standin.py, run as a process of its own on a free port; ends with the
// object, or with the test program. What it can do is written there.
class GithubStandIn {
 public:
  GithubStandIn();
  ~GithubStandIn();
  GithubStandIn(const GithubStandIn&) = delete;
  GithubStandIn& operator=(const GithubStandIn&) = delete;

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string api_url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // Makes a repository ("owner/name"), or changes options of it. Throws if it has no such option.
  void set(const std::string& repository, const nlohmann::json& options) const;
  // Every dispatch, cancel and run of it.
  [[nodiscard]] nlohmann::json ledger(const std::string& repository) const;

 private:
  std::filesystem::path directory_;
  int pid_ = 0;
  int port_ = 0;
};

}  // namespace rollbackd::tests
