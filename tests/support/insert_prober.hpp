#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "tests/support/postgres.hpp"

namespace rollbackd::tests {

// An application meanwhile: runs the statement again and again, each in a transaction of its own,
// on a thread of its own, until stop(). What it had to wait is what a lock does to people.
class InsertProber {
 public:
  InsertProber(const std::string& conninfo, std::string statement)
      : statement_{std::move(statement)}, connection_{connect(conninfo)}, thread_{[this] {
          run();
        }} {}
  ~InsertProber() { stop(); }
  InsertProber(const InsertProber&) = delete;
  InsertProber& operator=(const InsertProber&) = delete;

  void stop() {
    stopping_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  // After stop(): the longest of them, how many there were, and what one failed with.
  [[nodiscard]] double longest_ms() const { return longest_ms_; }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  void run() {
    using Milliseconds = std::chrono::duration<double, std::milli>;
    try {
      while (!stopping_) {
        const auto begun = std::chrono::steady_clock::now();
        rows(*connection_, statement_);
        longest_ms_ =
            std::max(longest_ms_, Milliseconds{std::chrono::steady_clock::now() - begun}.count());
        ++count_;
      }
    } catch (const std::exception& e) {
      failure_ = e.what();
    }
  }

  std::string statement_;
  std::unique_ptr<pqxx::connection> connection_;
  std::atomic<bool> stopping_{false};
  double longest_ms_ = 0;
  std::size_t count_ = 0;
  std::string failure_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace rollbackd::tests
