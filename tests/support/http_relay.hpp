#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "tests/support/http_stub.hpp"

namespace rollbackd::tests {

// Stands between a program and the daemon, on a port of its own: passes every request on and hands
// the answer back, so that what the program asks is recorded (tests/support/exchanges.hpp) as what
// the tests ask is. On demand it loses answers, after the daemon has given them.
class HttpRelay {
 public:
  explicit HttpRelay(int server_port);

  [[nodiscard]] std::string url() const { return stub_.url(""); }

  // Of the next requests with an Idempotency-Key, so many get no answer.
  void lose_answers(int count) { losing_ = count; }
  // What has been asked with an Idempotency-Key: "key method target", in order.
  [[nodiscard]] std::vector<std::string> keyed_requests() const;

 private:
  StubAnswer pass_on(const StubRequest& request);

  int server_port_;
  std::atomic<int> losing_ = 0;
  HttpStub stub_;  // last: its threads use the others
};

}  // namespace rollbackd::tests
