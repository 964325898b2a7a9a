#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/database/statement.hpp"
#include "engine/feed/feed_rows.hpp"
#include "rules/input.hpp"

namespace rollbackd::engine {

// Counts what may take long, on a session of its own, so that looks go on meanwhile: the windows of
// services whose events have moved, and once in a while everything. It counts what one look saw:
// rows of later transactions are left out, though they are there by now. Reactor thread.
class Recount {
 public:
  // The look that is counted anew.
  struct Basis {
    rules::Look look = 0;
    rules::Second second = 0;  // of the database's clock
    std::string snapshot;
    std::string server;  // whose, see server_identity(): on another one the snapshot means nothing
    std::string events;  // the query of the watched logs
  };

  struct Audited {
    rules::AuditCounted counted;
    std::vector<std::pair<std::string, std::uint64_t>> foreign;  // rows by log
    std::vector<std::pair<std::string, std::string>> unwatched;  // log and severity
  };

  struct Handlers {
    std::function<void(std::vector<rules::WindowsRecounted>, rules::Duration took)> on_windows;
    std::function<void(const Audited&, rules::Duration took)> on_audited;
    // Nothing came of it. The caller asks again, with a later look.
    std::function<void(const std::string& why)> on_failed;
  };

  // `longest`: of the windows.
  Recount(asio::io_context& reactor, const ConnectionInfo& info, rules::Second longest,
          Handlers handlers, Log& log);

  // One question at a time. REQUIRES: not busy.
  void windows(const Basis& basis, std::vector<rules::RebuildWindows> wanted);
  void audit(const Basis& basis);
  [[nodiscard]] bool is_busy() const { return busy_; }
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  // `answer` runs on the session's thread and gives what is done on the reactor with the result.
  void ask(std::function<std::function<void()>(Connection&)> answer);
  Transaction begin_at(Connection& connection, const std::string& server, rules::Duration patience);

  asio::io_context& reactor_;
  rules::Second longest_;
  Handlers handlers_;
  bool busy_ = false;
  rules::Duration patience_;
  std::string server_;  // that the session is connected to; its thread only
  Session session_;     // last: its thread uses the others
};

}  // namespace rollbackd::engine
