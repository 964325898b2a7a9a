#include "engine/http/event_stream.hpp"

#include <utility>

#include "engine/http/json.hpp"

namespace rollbackd::engine {

EventStream::EventStream(const asio::any_io_executor& timers, Desk& desk, Archive& archive,
                         const rules::EventId& event, std::chrono::milliseconds look_every)
    : timer_{timers}, archive_{archive}, event_{event}, look_every_{look_every} {
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
    wait();
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

void EventStream::wait() {
  timer_.expires_after(look_every_);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr && self->on_piece_) {
      self->look();
    }
  });
}

void EventStream::look() {
  archive_.event(event_, [weak = weak_from_this()](const Result<std::optional<std::string>>& row) {
    if (const auto self = weak.lock()) {
      self->saw(row);
    }
  });
}

// While the database is away, or the rollback goes on, there is only the comment.
void EventStream::saw(const Result<std::optional<std::string>>& row) {
  if (!on_piece_) {
    return;  // the desk was quicker
  }
  const bool has_ended = row && (!row.value() || is_over(*row.value()));
  if (!has_ended) {
    std::exchange(on_piece_, nullptr)(": still waiting\n\n");
    return;
  }
  over_ = true;
  if (row.value()) {
    waiting_.push_back("event: end\ndata: " + *row.value() + "\n\n");
  }
  give();
}

}  // namespace rollbackd::engine
