#include "tests/support/prism.hpp"

#include <csignal>
#include <fstream>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/daemon.hpp"

namespace rollbackd::tests {
namespace {

namespace fs = std::filesystem;

fs::path folder() { return fs::path{ROLLBACKD_SOURCE_DIR} / "build/tools/prism"; }

}  // namespace

bool Prism::is_installed() { return fs::exists(folder() / "github.json"); }

Prism::Prism(const std::string& upstream)
    : log_{fs::temp_directory_path() / ("rollbackd-prism-" + std::to_string(::getpid()))} {
  pid_ = start_program(
      {"/usr/bin/setpriv", "--pdeathsig", "KILL", folder() / "node_modules/.bin/prism", "proxy",
       "--errors", "--host", "127.0.0.1", "--port", std::to_string(port_), folder() / "github.json",
       upstream},
      log_);
  eventually("Prism to listen", 60,
             [&] { return log().find("is listening") != std::string::npos; });
}

Prism::~Prism() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  fs::remove(log_);
}

std::string Prism::log() const {
  std::ifstream in{log_};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace rollbackd::tests
