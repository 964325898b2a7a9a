#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/asio.hpp"

#include "engine/http/message.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// A rollback's states as server-sent events, one `step` whenever something changed and one `end`,
// after which the stream ends. A comment now and then keeps proxies from closing it; by then the
// row is looked at, too: the desk of a daemon that does not lead, or does not any more, never hears
// of the end. Made by std::make_shared. Reactor thread.
class EventStream final : public ApiStream, public std::enable_shared_from_this<EventStream> {
 public:
  // States that a slow client has not taken yet; then the oldest are left out.
  static constexpr std::size_t waiting_max = 64;
  static constexpr std::chrono::milliseconds usual_look{15'000};

  EventStream(const asio::any_io_executor& timers, Desk& desk, Archive& archive,
              const rules::EventId& event, std::chrono::milliseconds look_every = usual_look);

  void next(std::function<void(std::optional<std::string>)> on_piece) override;

 private:
  void take(const rules::Rollback& state);
  void give();
  void wait();
  void look();
  void saw(const Result<std::optional<std::string>>& row);

  asio::steady_timer timer_;
  Archive& archive_;
  rules::EventId event_;
  std::chrono::milliseconds look_every_;
  std::deque<std::string> waiting_;
  std::string last_;
  bool over_ = false;
  std::function<void(std::optional<std::string>)> on_piece_;
  Desk::Watch watch_;
};

}  // namespace rollbackd::engine
