#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/discord/live_message.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Shows each state of one rollback in a message, to its end. Reactor thread only.
class Following : public std::enable_shared_from_this<Following> {
 public:
  // How often it looks whether this daemon still leads: a rollback that another one drives is not
  // told here any more.
  static constexpr std::chrono::seconds look_every{5};
  // No rollback takes longer; one that did would be told to its end by the channel's alerts.
  static constexpr std::chrono::hours lasts_max{2};

  struct Story {
    std::shared_ptr<LiveMessage> message;
    std::string person;
    // Who leads instead of this daemon; nothing: this one does.
    std::function<std::optional<std::string>()> other_leader;
    std::function<void()> on_end;  // called once, posted
  };

  Following(const asio::any_io_executor& reactor, rules::Rollback rollback, Story story);
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;

  // It ends by itself, or with the last reference to it.
  void begin(Desk& desk);

 private:
  void take(const rules::Rollback& state);
  void look();
  void arm();
  void end();

  Story story_;
  asio::steady_timer timer_;
  SteadyTime begun_;
  rules::Rollback last_;
  std::string shown_;
  Desk::Watch watch_;
};

}  // namespace rollbackd::engine
