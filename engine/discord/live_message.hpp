#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "engine/asio.hpp"

#include "engine/outgoing/http_client.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// How a message is kept up to date.
struct MessageTimes {
  // Discord knows the deferred answer only when it has read it: an edit before that is a 404.
  std::chrono::milliseconds first_edit_after{300};
  // Such a 404 is tried again for this long; later ones say that the message is gone.
  std::chrono::milliseconds appears_within{5'000};
  std::chrono::milliseconds appears_pause{500};
  std::chrono::milliseconds between_edits{1'000};  // what comes faster is told in one
  std::chrono::milliseconds deadline{15'000};      // of one request
  std::chrono::milliseconds backoff_first{1'000};
  std::chrono::milliseconds backoff_max{30'000};
  // A token is good for 15 minutes; the last of them is left to clocks and networks.
  std::chrono::milliseconds token_lasts{14 * 60'000};
};

// Where a message is, and goes on when that is over.
struct MessagePlace {
  std::string interaction_url;  // …/webhooks/{application}/{token}: a secret
  std::string channel_url;      // of the channel's webhook: a secret; empty: there is none
};

// The answer to one command: the deferred message, edited as often as there is something new, at
// Discord's pace. When its token has expired, or Discord knows it no more, it goes on as one
// message of the channel. Reactor thread only; the requests under way keep it alive.
class LiveMessage : public std::enable_shared_from_this<LiveMessage> {
 public:
  // Requests that fail one after the other before it gives up.
  static constexpr int attempts_max = 12;

  // `http` has to deliver its answers on the reactor.
  LiveMessage(asio::any_io_executor reactor, HttpClient& http, Log& log, MessagePlace place,
              MessageTimes times = {});

  // From now on the message says this.
  void show(std::string content);

  // Nothing can be shown any more.
  [[nodiscard]] bool is_lost() const { return lost_; }

 private:
  enum class Where { interaction, channel };

  void go_on();
  void send();
  void answered(const std::string& content, const HttpOutcome& outcome);
  void wait(std::chrono::microseconds pause);
  void leave_interaction(const std::string& why);
  void lose(const std::string& why);
  [[nodiscard]] HttpRequest request_for(const std::string& content) const;
  [[nodiscard]] std::chrono::microseconds backoff() const;

  HttpClient& http_;
  Log& log_;
  MessagePlace place_;
  MessageTimes times_;
  asio::steady_timer timer_;
  SteadyTime begun_;
  Where where_ = Where::interaction;
  std::string channel_message_;  // its id; empty: not made yet
  std::optional<std::string> wanted_;
  bool started_ = false;
  bool busy_ = false;  // a request or the timer is under way
  bool was_seen_ = false;
  bool lost_ = false;
  int failures_ = 0;
};

}  // namespace rollbackd::engine
