#include "engine/http/event_stream.hpp"

#include <utility>

#include "engine/http/json.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::chrono::seconds comment_every{15};

}  // namespace

EventStream::EventStream(const asio::any_io_executor& timers, Desk& desk,
                         const rules::EventId& event)
    : timer_{timers} {
  watch_ = desk.watch(event, [this](const rules::Rollback& state) { take(state); });
}

void EventStream::take(const rules::Rollback& state) {
  std::string data = rollback_state_json(state);
  if (data == last_ || over_) {
    return;
  }
  last_ = std::move(data);
  over_ = state.is_over();
  waiting_.push_back(std::string{"event: "} + (over_ ? "end" : "step") + "\ndata: " + last_ +
                     "\n\n");
  if (waiting_.size() > waiting_max) {
    waiting_.pop_front();
  }
  give();
}

void EventStream::next(std::function<void(std::optional<std::string>)> on_piece) {
  on_piece_ = std::move(on_piece);
  give();
  if (on_piece_) {
    keep_alive();
  }
}

void EventStream::give() {
  if (!on_piece_ || (waiting_.empty() && !over_)) {
    return;
  }
  timer_.cancel();
  const auto on_piece = std::exchange(on_piece_, nullptr);
  if (waiting_.empty()) {
    on_piece(std::nullopt);
    return;
  }
  std::string piece = std::move(waiting_.front());
  waiting_.pop_front();
  on_piece(std::move(piece));
}

void EventStream::keep_alive() {
  timer_.expires_after(comment_every);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && on_piece_) {
      const auto on_piece = std::exchange(on_piece_, nullptr);
      on_piece(": still waiting\n\n");
    }
  });
}

}  // namespace rollbackd::engine
