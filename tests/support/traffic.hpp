#pragma once

#include <atomic>
#include <string>
#include <thread>

namespace rollbackd::tests {

// Errors that are logged one after the other, a commit each, by a client of its own, whatever
// happens to the server meanwhile. What was not committed, or may not have been, is logged again.
class ErrorTraffic {
 public:
  explicit ErrorTraffic(std::string conninfo);
  // Stops.
  ~ErrorTraffic();
  ErrorTraffic(const ErrorTraffic&) = delete;
  ErrorTraffic& operator=(const ErrorTraffic&) = delete;

  void stop();
  [[nodiscard]] int committed() const { return committed_; }

 private:
  void write();

  std::string conninfo_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> committed_{0};
  std::thread thread_;
};

}  // namespace rollbackd::tests
