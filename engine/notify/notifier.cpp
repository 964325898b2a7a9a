#include "engine/notify/notifier.hpp"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "engine/notify/discord.hpp"
#include "engine/outgoing/discord_rest.hpp"

namespace rollbackd::engine {
namespace {

// How many delivered messages are remembered, in case their row cannot be marked for a while.
constexpr std::size_t delivered_max = 1000;

// Without `wait` Discord says yes before it has stored the message.
std::string waiting_url(const std::string& url) {
  return url.empty() ? url : url + (url.find('?') == std::string::npos ? "?" : "&") + "wait=true";
}

}  // namespace

// Shared with the callbacks under way, which may come back after the Notifier's end.
class Notifier::Delivery : public std::enable_shared_from_this<Delivery> {
 public:
  Delivery(asio::io_context& reactor, HttpClient& http, Outbox& outbox, Meter& meter, Log& log,
           NotifierSettings settings)
      : reactor_{reactor},
        timer_{reactor},
        http_{http},
        outbox_{outbox},
        meter_{meter},
        log_{log},
        settings_{std::move(settings)},
        url_{waiting_url(settings_.webhook_url)} {}

  void start() {
    running_ = true;
    if (pause_.count() > 0) {
      arm();  // its timer was stopped, Discord's wish was not
    } else {
      look();
    }
  }

  void stop() {
    running_ = false;
    timer_.cancel();
  }

  void use(const std::string& webhook_url) {
    if (webhook_url != settings_.webhook_url) {
      settings_.webhook_url = webhook_url;
      url_ = waiting_url(webhook_url);
      gone_ = false;
      look();
    }
  }

  void wake() {
    asio::post(reactor_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->look();
      }
    });
  }

 private:
  void look();
  void take(Result<OutboxRead> read);
  void deliver_next();
  bool settle_unsent(const OutboxRow& row);
  void send(const OutboxRow& row, std::string body);
  void answered(const OutboxRow& row, const HttpOutcome& outcome);
  void give_up(const OutboxRow& row, const std::string& why);
  void remember(std::int64_t id);
  void settled();
  void finish();
  void arm();
  [[nodiscard]] rules::Duration backoff_of(const OutboxRow& row) const;

  asio::io_context& reactor_;
  asio::steady_timer timer_;
  HttpClient& http_;
  Outbox& outbox_;
  Meter& meter_;
  Log& log_;
  NotifierSettings settings_;
  std::string url_;

  bool running_ = false;
  bool busy_ = false;        // between look() and finish()
  bool look_again_ = false;  // woken meanwhile
  bool gone_ = false;        // the webhook does not exist any more
  rules::Duration pause_{};  // that Discord asked for; until the timer
  std::deque<OutboxRow> rows_;
  std::size_t waiting_ = 0;
  std::set<std::int64_t> delivered_;
};

void Notifier::Delivery::look() {
  if (!running_ || busy_ || pause_.count() > 0) {
    look_again_ = busy_;
    return;
  }
  busy_ = true;
  look_again_ = false;
  timer_.cancel();
  outbox_.due(rows_max, [&reactor = reactor_, weak = weak_from_this()](Result<OutboxRead> read) {
    asio::post(reactor, [weak, read = std::move(read)]() mutable {
      if (const auto self = weak.lock()) {
        self->take(std::move(read));
      }
    });
  });
}

void Notifier::Delivery::take(Result<OutboxRead> read) {
  if (!read) {
    log_.warning("outbox_unreadable", {{"what", read.error().what}});
    return finish();
  }
  waiting_ = read->waiting;
  rows_.assign(std::make_move_iterator(read->rows.begin()),
               std::make_move_iterator(read->rows.end()));
  look_again_ = look_again_ || rows_.size() == rows_max;
  deliver_next();
}

void Notifier::Delivery::deliver_next() {
  while (running_ && pause_.count() == 0 && !rows_.empty()) {
    const OutboxRow row = std::move(rows_.front());
    rows_.pop_front();
    if (settle_unsent(row)) {
      continue;
    }
    if (gone_) {
      break;
    }
    auto body = discord_body(row.payload);
    if (body) {
      return send(row, std::move(*body));
    }
    give_up(row, body.error().what);
  }
  finish();
}

// True: the row is settled without a request.
bool Notifier::Delivery::settle_unsent(const OutboxRow& row) {
  if (delivered_.contains(row.id)) {
    outbox_.sent(row.id);
    settled();
  } else if (url_.empty()) {
    outbox_.failed(row.id, "no channel is configured", std::nullopt);
    settled();
  } else if (row.age > settings_.age_max) {
    give_up(row, "it could not be delivered for too long");
  } else {
    return false;
  }
  return true;
}

void Notifier::Delivery::send(const OutboxRow& row, std::string body) {
  HttpRequest request;
  request.method = "POST";
  request.url = url_;
  request.headers = discord_headers();
  request.body = std::move(body);
  request.deadline = settings_.deadline;
  request.once = true;
  http_.send(std::move(request), [weak = weak_from_this(), row](const HttpOutcome& outcome) {
    if (const auto self = weak.lock()) {
      self->answered(row, outcome);
    }
  });
}

void Notifier::Delivery::answered(const OutboxRow& row, const HttpOutcome& outcome) {
  const Verdict verdict = verdict_of(outcome);
  meter_.count(Count::notifications);
  meter_.observe(Timing::notification, rules::in_seconds(outcome.took));
  pause_ = verdict.pause;
  switch (verdict.kind) {
    case Verdict::Kind::delivered:
      remember(row.id);
      outbox_.sent(row.id);
      settled();
      break;
    case Verdict::Kind::refused:
      meter_.count(Count::notifications_refused);
      give_up(row, verdict.error);
      break;
    case Verdict::Kind::later:
      meter_.count(Count::notifications_put_off);
      log_.warning("notification_failed", {{"outbox_id", row.id},
                                           {"attempt", std::int64_t{row.attempts} + 1},
                                           {"what", verdict.error}});
      outbox_.failed(row.id, verdict.error, std::max(backoff_of(row), pause_));
      rows_.clear();  // what fails for one fails for the next; they stay due
      break;
    case Verdict::Kind::gone:
      meter_.count(Count::notification_channels_gone);
      gone_ = true;
      log_.error("notification_channel_gone",
                 {{"channel", origin_of(settings_.webhook_url)},
                  {"what", verdict.error},
                  {"remedy",
                   "make a new webhook, put its URL into notify.discord.webhook_url and "
                   "reload; until then nobody is told anything"}});
      outbox_.failed(row.id, verdict.error, backoff_of(row));
      break;
  }
  deliver_next();
}

void Notifier::Delivery::give_up(const OutboxRow& row, const std::string& why) {
  log_.error("notification_given_up", {{"outbox_id", row.id}, {"what", why}});
  outbox_.failed(row.id, why, std::nullopt);
  settled();
}

void Notifier::Delivery::settled() { waiting_ -= std::min<std::size_t>(waiting_, 1); }

void Notifier::Delivery::remember(std::int64_t id) {
  delivered_.insert(id);
  if (delivered_.size() > delivered_max) {
    delivered_.erase(delivered_.begin());
  }
}

rules::Duration Notifier::Delivery::backoff_of(const OutboxRow& row) const {
  rules::Duration delay = settings_.backoff_first;
  for (int i = 0; i < row.attempts && delay < settings_.backoff_max; ++i) {
    delay *= 2;
  }
  return std::min(delay, settings_.backoff_max);
}

void Notifier::Delivery::finish() {
  busy_ = false;
  rows_.clear();
  meter_.set(Level::outbox_waiting, static_cast<double>(waiting_));
  if (!running_) {
    return;
  }
  if (look_again_ && !gone_ && pause_.count() == 0) {
    return look();
  }
  arm();
}

void Notifier::Delivery::arm() {
  const auto usual = waiting_ > 0 && !gone_ ? settings_.poll_waiting : settings_.poll_idle;
  timer_.expires_after(pause_.count() > 0 ? pause_ : rules::Duration{usual});
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self && !error) {
      self->pause_ = {};
      self->look();
    }
  });
}

Notifier::Notifier(asio::io_context& reactor, HttpClient& http, Outbox& outbox, Meter& meter,
                   Log& log, NotifierSettings settings)
    : delivery_{
          std::make_shared<Delivery>(reactor, http, outbox, meter, log, std::move(settings))} {}

Notifier::~Notifier() { delivery_->stop(); }

void Notifier::start() { delivery_->start(); }
void Notifier::stop() { delivery_->stop(); }
void Notifier::use(const std::string& webhook_url) { delivery_->use(webhook_url); }
void Notifier::wake() { delivery_->wake(); }

}  // namespace rollbackd::engine
