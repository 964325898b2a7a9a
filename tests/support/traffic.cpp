#include "tests/support/traffic.hpp"

#include <poll.h>

#include "tests/support/postgres.hpp"

namespace rollbackd::tests {
namespace {

// So that a server's restart, or a daemon on two busy cores, is not what is measured.
constexpr int pause_ms = 2;

}  // namespace

ErrorTraffic::ErrorTraffic(std::string conninfo)
    : conninfo_{std::move(conninfo)}, thread_{[this] { write(); }} {}

ErrorTraffic::~ErrorTraffic() { stop(); }

void ErrorTraffic::stop() {
  stopping_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

void ErrorTraffic::write() {
  std::unique_ptr<pqxx::connection> connection;
  while (!stopping_) {
    ::poll(nullptr, 0, pause_ms);
    try {
      if (!connection) {
        connection = connect(conninfo_);
      }
      rows(*connection,
           "insert into ops.system_logs (severity, source, message) values ('error', 's', 'm')");
      ++committed_;
    } catch (const std::exception&) {
      connection.reset();
    }
  }
}

}  // namespace rollbackd::tests
