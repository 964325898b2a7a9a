#include "engine/discord/live_message.hpp"

#include <algorithm>
#include <utility>

#include "engine/discord/replies.hpp"
#include "engine/json_document.hpp"
#include "engine/outgoing/discord_rest.hpp"
#include "engine/settings_values.hpp"

namespace rollbackd::engine {
namespace {

// The id of the message in Discord's answer; empty: it names none.
std::string message_in(const std::string& body) {
  const auto document = JsonDocument::parse(body);
  std::string_view id;
  const bool has_id =
      document && document->root().at_key("id").get(id) == simdjson::SUCCESS && is_snowflake(id);
  return has_id ? std::string{id} : "";
}

}  // namespace

LiveMessage::LiveMessage(asio::any_io_executor reactor, HttpClient& http, Log& log,
                         MessagePlace place, MessageTimes times)
    : http_{http},
      log_{log},
      place_{std::move(place)},
      times_{times},
      timer_{std::move(reactor)},
      begun_{steady_now()} {}

void LiveMessage::show(std::string content) {
  wanted_ = std::move(content);
  if (!std::exchange(started_, true)) {
    wait(times_.first_edit_after);
  } else if (!busy_) {
    go_on();
  }
}

void LiveMessage::wait(std::chrono::microseconds pause) {
  busy_ = true;
  timer_.expires_after(pause);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) {
      self->go_on();
    }
  });
}

void LiveMessage::go_on() {
  busy_ = false;
  if (!wanted_ || lost_) {
    return;
  }
  if (where_ == Where::interaction && steady_now() - begun_ >= times_.token_lasts) {
    leave_interaction("its token has expired");
  }
  if (!lost_) {
    send();
  }
}

HttpRequest LiveMessage::request_for(const std::string& content) const {
  HttpRequest request;
  request.headers = discord_headers();
  request.body = message_json(content);
  request.deadline = times_.deadline;
  request.method = "PATCH";
  if (where_ == Where::interaction) {
    request.url = place_.interaction_url + "/messages/@original";
    return request;
  }
  const std::size_t query = std::min(place_.channel_url.find('?'), place_.channel_url.size());
  const std::string options = place_.channel_url.substr(query);  // the thread it is in
  request.url = place_.channel_url.substr(0, query);
  if (!channel_message_.empty()) {
    request.url += "/messages/" + channel_message_ + options;
    return request;
  }
  request.url += (options.empty() ? "?" : options + "&") + std::string{"wait=true"};
  request.method = "POST";
  request.once = true;
  return request;
}

void LiveMessage::send() {
  busy_ = true;
  const std::string content = std::move(*wanted_);
  wanted_.reset();
  http_.send(request_for(content),
             [self = shared_from_this(), content](const HttpOutcome& outcome) {
               self->answered(content, outcome);
             });
}

void LiveMessage::answered(const std::string& content, const HttpOutcome& outcome) {
  const Verdict verdict = verdict_of(outcome);
  if (verdict.kind == Verdict::Kind::delivered) {
    failures_ = 0;
    was_seen_ = true;
    if (where_ == Where::channel && channel_message_.empty()) {
      channel_message_ = message_in(outcome.response->body);
    }
    return wait(std::max<std::chrono::microseconds>(verdict.pause, times_.between_edits));
  }
  if (verdict.kind == Verdict::Kind::refused) {
    log_.error("discord_message_refused", {{"what", verdict.error}});
    return wait(times_.between_edits);
  }
  // What has come meanwhile says more than what was not shown.
  wanted_ = wanted_ ? std::move(wanted_) : std::optional{content};
  if (++failures_ >= attempts_max) {
    return lose(verdict.error);
  }
  if (verdict.kind == Verdict::Kind::later) {
    log_.debug("discord_message_waits", {{"what", verdict.error}});
    return wait(std::max<std::chrono::microseconds>(verdict.pause, backoff()));
  }
  if (where_ == Where::channel) {
    return lose(verdict.error);
  }
  if (!was_seen_ && steady_now() - begun_ < times_.appears_within) {
    return wait(times_.appears_pause);
  }
  leave_interaction(verdict.error);
  if (!lost_) {
    go_on();
  }
}

void LiveMessage::leave_interaction(const std::string& why) {
  if (place_.channel_url.empty()) {
    return lose(why + "; notify.discord.webhook_url, where it would go on, is not set");
  }
  log_.info("discord_message_moved", {{"why", why}, {"to", std::string{"the channel"}}});
  where_ = Where::channel;
  failures_ = 0;
}

void LiveMessage::lose(const std::string& why) {
  lost_ = true;
  log_.warning("discord_message_lost", {{"what", why}});
}

std::chrono::microseconds LiveMessage::backoff() const {
  std::chrono::microseconds pause = times_.backoff_first;
  for (int i = 1; i < failures_ && pause < times_.backoff_max; ++i) {
    pause *= 2;
  }
  return std::min<std::chrono::microseconds>(pause, times_.backoff_max);
}

}  // namespace rollbackd::engine
