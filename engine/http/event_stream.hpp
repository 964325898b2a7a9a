#pragma once

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
// after which the stream ends. A comment now and then keeps proxies from closing it. Reactor
// thread.
class EventStream final : public ApiStream {
 public:
  // States that a slow client has not taken yet; then the oldest are left out.
  static constexpr std::size_t waiting_max = 64;

  EventStream(const asio::any_io_executor& timers, Desk& desk, const rules::EventId& event);

  void next(std::function<void(std::optional<std::string>)> on_piece) override;

 private:
  void take(const rules::Rollback& state);
  void give();
  void keep_alive();

  asio::steady_timer timer_;
  std::deque<std::string> waiting_;
  std::string last_;
  bool over_ = false;
  std::function<void(std::optional<std::string>)> on_piece_;
  Desk::Watch watch_;
};

}  // namespace rollbackd::engine
