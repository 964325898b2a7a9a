#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/asio.hpp"

#include "engine/outgoing/http_client.hpp"
#include "engine/ports.hpp"
#include "engine/result.hpp"

namespace rollbackd::engine {

// A message to people that is due.
struct OutboxRow {
  std::int64_t id = 0;
  std::string payload;  // JSON
  int attempts = 0;     // so far
  rules::Duration age{};
};

struct OutboxRead {
  std::vector<OutboxRow> rows;  // by id
  std::size_t waiting = 0;      // all that are neither sent nor given up, due or not
};

// Where the messages wait. Nothing here blocks.
class Outbox {
 public:
  using OnRead = std::function<void(Result<OutboxRead>)>;

  virtual ~Outbox() = default;
  // `on_read` is called once, on any thread.
  virtual void due(std::size_t limit, OnRead on_read) = 0;
  virtual void sent(std::int64_t id) = 0;
  // Nothing as `next_attempt_after`: given up; the row stays for people to see.
  virtual void failed(std::int64_t id, std::string error,
                      std::optional<rules::Duration> next_attempt_after) = 0;
};

struct NotifierSettings {
  std::string webhook_url;  // a secret; empty: nobody is told, and messages are given up at once
  std::chrono::milliseconds deadline{15'000};         // of one request
  std::chrono::milliseconds poll_waiting{1'000};      // while something waits
  std::chrono::milliseconds poll_idle{30'000};        // for what came without a wake()
  rules::Duration backoff_first = rules::seconds{1};  // doubles with each attempt of a message
  rules::Duration backoff_max = rules::minutes{5};
  rules::Duration age_max = std::chrono::hours{24};  // older messages are given up
};

// Delivers the outbox to a Discord webhook, in order, one at a time, at least once each: one whose
// answer got lost comes twice rather than never. Runs on the reactor; a slow or dead Discord delays
// nothing but messages. Only the leader may run one.
class Notifier {
 public:
  static constexpr std::size_t rows_max = 20;  // read at once

  // `http` has to deliver its answers on the reactor.
  Notifier(asio::io_context& reactor, HttpClient& http, Outbox& outbox, Meter& meter, Log& log,
           NotifierSettings settings);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Reactor thread. After stop() nothing new is sent; the answer to what is under way is still
  // recorded.
  void start();
  void stop();

  // Sends to this webhook from the next message on. Reactor thread.
  void use(const std::string& webhook_url);

  // A message may have been written. Any thread.
  void wake();

 private:
  class Delivery;
  std::shared_ptr<Delivery> delivery_;
};

}  // namespace rollbackd::engine
