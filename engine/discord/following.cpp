#include "engine/discord/following.hpp"

#include <utility>

#include "engine/discord/progress.hpp"

namespace rollbackd::engine {

Following::Following(const asio::any_io_executor& reactor, rules::Rollback rollback, Story story)
    : story_{std::move(story)}, timer_{reactor}, begun_{steady_now()}, last_{std::move(rollback)} {}

void Following::begin(Desk& desk) {
  arm();
  take(rules::Rollback{last_});
  watch_ = desk.watch(last_.id, [weak = weak_from_this()](const rules::Rollback& state) {
    if (const auto self = weak.lock()) {
      self->take(state);
    }
  });
}

void Following::take(const rules::Rollback& state) {
  if (!story_.on_end) {
    return;
  }
  last_ = state;
  const std::string text = progress_text(state, story_.person);
  if (text != shown_) {
    shown_ = text;
    story_.message->show(text);
  }
  if (state.is_over()) {
    end();
  }
}

void Following::arm() {
  timer_.expires_after(look_every);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self && !error) {
      self->look();
    }
  });
}

void Following::look() {
  const auto leader = story_.other_leader();
  const bool lasts = steady_now() - begun_ < lasts_max && !story_.message->is_lost();
  if (!leader && lasts) {
    return arm();
  }
  story_.message->show(
      progress_text(last_, story_.person) + "\n💤 " +
      (leader ? "Another rollbackd leads now and goes on with it" : "It takes longer than usual") +
      ": `/rollback history` shows how it stands.");
  end();
}

void Following::end() {
  timer_.cancel();
  if (auto on_end = std::exchange(story_.on_end, nullptr)) {
    asio::post(timer_.get_executor(), std::move(on_end));
  }
}

}  // namespace rollbackd::engine
