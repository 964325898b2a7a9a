#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "engine/asio.hpp"

#include "engine/clock.hpp"
#include "engine/database/conninfo.hpp"
#include "engine/ports.hpp"

struct pg_conn;

namespace rollbackd::engine {

// Hears the doorbell: one libpq connection, non-blocking, on the reactor. It holds no transaction
// and runs no query but its heartbeat. What it hears is only ever "look now"; a payload is never
// trusted. Reactor thread, apart from opening the connection, which blocks and has a thread of its
// own.
class Listener {
 public:
  // Notifications that came together. A stranger's payload says nothing; it is only counted.
  struct Heard {
    std::uint64_t bells = 0;
    std::uint64_t strange = 0;  // of these, with a payload that is none of ours
    bool canary = false;        // ours was among them
  };

  struct Handlers {
    std::function<void(const Heard&)> on_bell;
    // Listening began, or ended or could not begin for a reason, told while it is a new one.
    // `by_design`: LISTEN cannot work here at all.
    std::function<void()> on_listening;
    std::function<void(const std::string& why, bool by_design)> on_deaf;
  };

  Listener(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers, Log& log);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void start();
  void stop();
  [[nodiscard]] bool is_listening() const { return connection_ != nullptr; }

 private:
  struct Opened;
  struct Closer {
    void operator()(pg_conn* connection) const;
  };
  using Connection = std::unique_ptr<pg_conn, Closer>;

  void open();
  void opened(const std::shared_ptr<Opened>& result);
  void wait_readable();
  void read();
  void beat();
  void lose(const std::string& why, bool by_design);
  static void open_blocking(const std::string& conninfo, const std::string& known_problem,
                            Opened& result);

  asio::io_context& reactor_;
  ConnectionInfo info_;
  Handlers handlers_;
  Log& log_;
  Connection connection_;
  std::optional<asio::posix::stream_descriptor> socket_;
  asio::steady_timer heartbeat_;
  asio::steady_timer retry_;
  std::optional<SteadyTime> asked_;  // a heartbeat is on its way since
  std::thread opener_;
  int attempts_ = 0;
  std::string problem_;  // why it does not listen; empty: it does, or has not tried
  bool login_refused_ = false;
  bool stopping_ = false;
  // Handlers of an earlier connection find another number here and do nothing.
  std::uint64_t generation_ = 0;
};

}  // namespace rollbackd::engine
