// Everything that can be done to the HTTP server at once, against the real daemon with few
// descriptors: whoever has a good token, the feed and a rollback go on.

#include <atomic>
#include <chrono>
#include <deque>
#include <optional>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process_use.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

constexpr int wrong_tokens = 10'000;
constexpr std::size_t slow_clients = 400;
constexpr std::size_t idle_clients = 1000;
// What the daemon may open. It needs about forty for itself.
constexpr rlim_t few_descriptors = 128;

// Held while a process is started that is to have few descriptors.
class FewDescriptors {
 public:
  FewDescriptors() {
    REQUIRE(getrlimit(RLIMIT_NOFILE, &old_) == 0);
    const rlimit few{few_descriptors, old_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  }
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &old_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit old_{};
};

// Those who mean harm, each kind on a thread of its own, until the end.
class Abuse {
 public:
  explicit Abuse(std::uint16_t port) : port_{port} {
    threads_.emplace_back([this] { guess(); });
    threads_.emplace_back([this] {
      hold(slow_clients, {"GET /metrics HTTP/1.1\r\nHo",
                          "POST /auto-rollback/check HTTP/1.1\r\n"
                          "Host: h\r\nContent-Length: 9\r\n\r\n{"});
    });
    threads_.emplace_back([this] { hold(idle_clients, {""}); });
  }
  ~Abuse() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }
  Abuse(const Abuse&) = delete;
  Abuse& operator=(const Abuse&) = delete;

  [[nodiscard]] int refused() const { return refused_; }
  [[nodiscard]] int slowed() const { return slowed_; }
  [[nodiscard]] int opened() const { return opened_; }

 private:
  void guess() {
    std::optional<RawConnection> connection;
    for (int i = 0; i < wrong_tokens && !stopping_;) {
      const int status = answer_to_guess(connection, i);
      refused_ += status == 401 ? 1 : 0;
      slowed_ += status == 429 ? 1 : 0;
      i += status == 401 || status == 429 ? 1 : 0;
      if (status != 401 && status != 429) {
        connection.reset();
      }
    }
  }

  // 0: none came, which a server under abuse may take its time for.
  int answer_to_guess(std::optional<RawConnection>& connection, int number) const {
    try {
      if (!connection) {
        connection.emplace(port_);
      }
      connection->send("GET /auto-rollback/history HTTP/1.1\r\nHost: h\r\nApikey: guess" +
                       std::to_string(number) + "\r\n\r\n");
      return status_of(connection->receive());
    } catch (const std::runtime_error&) {
      return 0;
    }
  }

  // Keeps so many connections open, the oldest replaced again and again.
  void hold(std::size_t count, const std::vector<std::string>& begun) {
    std::deque<RawConnection> held;
    for (std::size_t i = 0; !stopping_; ++i) {
      try {
        held.emplace_back(port_);
      } catch (const std::runtime_error&) {
        continue;  // the kernel's queue is full
      }
      static_cast<void>(held.back().send(begun[i % begun.size()]));
      ++opened_;
      if (held.size() > count) {
        // No faster than the server takes them: the kernel's queue is no part of this.
        static_cast<void>(held.front().hears_within(std::chrono::milliseconds{5}));
        held.pop_front();
      }
    }
  }

  std::uint16_t port_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> refused_{0};
  std::atomic<int> slowed_{0};
  std::atomic<int> opened_{0};
  std::vector<std::thread> threads_;
};

// How often it has to be asked until it is answered: a connection may be taken for an idle one.
int tries_until(const std::function<int()>& ask, int status) {
  for (int tries = 1; tries <= 10; ++tries) {
    try {
      const int got = ask();
      CHECK((got == status || got == 503));
      if (got == status) {
        return tries;
      }
    } catch (const std::runtime_error&) {
      // Its connection was closed.
    }
  }
  return 100;
}

int series_in(const std::string& metrics) {
  int count = 0;
  for (std::size_t at = 0; (at = metrics.find('\n', at)) != std::string::npos; ++at) {
    count += at + 1 < metrics.size() && metrics[at + 1] != '#' ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("abuse: guessers, slow and idle clients and no descriptors stop nobody who may") {
  Stage stage;
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.daemon().kill();
  {
    const FewDescriptors few;
    stage.restart_daemon();
  }
  stage.wait_until_watched(bad);
  stage.wait_for_readiness(200);
  const std::string before = http_request(stage.http_port(), "GET", "/metrics").body;
  const auto port = static_cast<std::uint16_t>(stage.http_port());
  int checks = 0;
  int tries = 0;
  int tries_most = 0;
  const auto count = [&](int tried) {
    ++checks;
    tries += tried;
    tries_most = std::max(tries_most, tried);
  };
  {
    const Abuse abuse{port};
    eventually("the slots to be taken", 60, [&] { return abuse.opened() > 400; });
    const auto begun = std::chrono::steady_clock::now();
    stage.log_errors(6);
    eventually("the rollback to be decided", 60, [&] {
      count(tries_until([&] { return stage.check(bad).status; }, 200));
      count(tries_until([&] { return http_request(port, "GET", "/metrics").status; }, 200));
      return stage.ask("select count(*) from ops.rollback_events") == "1";
    });
    const std::chrono::duration<double> decided = std::chrono::steady_clock::now() - begun;
    CHECK(stage.wait_for_end(bad, 60) == "success");
    CHECK(stage.running_version().find("v1") != std::string::npos);
    eventually("the guesser to be done", 180,
               [&] { return abuse.refused() + abuse.slowed() >= wrong_tokens; });
    for (int i = 0; i < 50; ++i) {
      count(tries_until([&] { return stage.check(bad).status; }, 200));
    }
    MESSAGE("under abuse: decided after "
            << decided.count() << " s; " << abuse.opened() << " connections held against it, "
            << abuse.refused() << " wrong tokens refused and " << abuse.slowed() << " slowed; "
            << checks << " valid requests took " << tries << " tries, at most " << tries_most);
    CHECK(abuse.refused() <= 400);
  }
  CHECK(tries_most <= 10);
  CHECK(tries <= 2 * checks);
  const std::string after = http_request(port, "GET", "/metrics").body;
  CHECK(series_in(after) - series_in(before) <= 4);  // the replacement's own, none of the requests'
  CHECK(stage.daemon().count_in_log("event=http_accept_failed") == 0);
  CHECK(stage.metric("rollbackd_window_drift") == "0");
}
