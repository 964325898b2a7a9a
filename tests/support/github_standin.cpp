#include "tests/support/github_standin.hpp"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>

#include "tests/support/daemon.hpp"
#include "tests/support/http_request.hpp"

namespace rollbackd::tests {
namespace {

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

GithubStandIn::GithubStandIn() {
  std::string name = std::filesystem::temp_directory_path() / "rollbackd-github-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error{"cannot make a directory"};
  }
  directory_ = name;
  const auto log = directory_ / "log";
  pid_ = start_program(
      {"/usr/bin/env", "python3", "-B", ROLLBACKD_SOURCE_DIR "/tests/support/github/standin.py"},
      log);
  const std::string announcement = "listening on ";
  eventually("the stand-in for GitHub to listen", 60, [&] {
    const std::string text = text_of(log);
    const std::size_t at = text.find(announcement);
    if (at == std::string::npos || text.back() != '\n') {
      return false;
    }
    port_ = std::stoi(text.substr(at + announcement.size()));
    return true;
  });
}

GithubStandIn::~GithubStandIn() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void GithubStandIn::set(const std::string& repository, const nlohmann::json& options) const {
  const auto answer = http_request(port_, "PUT", "/_standin/repos/" + repository, options.dump());
  if (answer.status != 200) {
    throw std::runtime_error{"the stand-in for GitHub: " + answer.body};
  }
}

nlohmann::json GithubStandIn::ledger(const std::string& repository) const {
  const auto answer = http_request(port_, "GET", "/_standin/repos/" + repository);
  if (answer.status != 200) {
    throw std::runtime_error{"the stand-in for GitHub: " + answer.body};
  }
  return nlohmann::json::parse(answer.body);
}

}  // namespace rollbackd::tests
