#include "engine/feed/feed.hpp"

#include <utility>

#include "engine/database/backoff.hpp"

namespace rollbackd::engine {
namespace {

// The safety poll: just after each second of the database's clock, so that the windows move with
// it.
constexpr rules::Duration after_the_second{2'000};
// While the bell does not ring, or is not heard.
constexpr rules::Duration poll_when_deaf{50'000};
// Memory against a count of every row.
constexpr rules::Duration audit_every = rules::minutes{1};
constexpr rules::Duration canary_every = rules::seconds{5};
constexpr rules::Duration canary_max = rules::seconds{10};

// The query had to wait for a lock too long, or took too long; the connection and what it knows are
// well.
bool is_only_late(const SessionFailure& failure) {
  return !failure.lost && (failure.sqlstate == "55P03" || failure.sqlstate == "57014");
}

// What tells a person what to do about SQL that the database refuses.
std::string remedy_for(const SessionFailure& failure) {
  if (failure.sqlstate == "42P01" || failure.sqlstate == "3F000" || failure.sqlstate == "42703" ||
      failure.sqlstate == "42883") {
    return "; run: rollbackd install";
  }
  if (failure.sqlstate == "42501") {
    return "; grant the daemon's role its rights: rollbackd install";
  }
  return "";
}

}  // namespace

Feed::Feed(asio::io_context& reactor, const ConnectionInfo& info, Doorbell mode, DatabaseTime& time,
           Inbox& inbox, Log& log, Meter& meter, Board& board)
    : reactor_{reactor},
      mode_{mode},
      time_{time},
      inbox_{inbox},
      log_{log},
      meter_{meter},
      board_{board},
      timer_{reactor},
      canary_timer_{reactor},
      listener_{reactor,
                info,
                {[this](bool canary) { heard(canary); },
                 [this] {
                   log_.info("listening");
                   board_.report(Part::listener, "");
                   meter_.set(Level::feed_listening, 1);
                   look();
                 },
                 [this](const std::string& why, bool by_design) {
                   set_deaf(Part::listener, why, by_design);
                 }},
                log},
      doorbell_{reactor,
                info,
                {[this] {
                   log_.info("doorbell_taken");
                   board_.report(Part::doorbell, "");
                   look();
                 },
                 [this](const std::string& why, bool by_design) {
                   set_deaf(Part::doorbell, why, by_design);
                 },
                 [this] { canary_rung_ = steady_now(); }},
                log},
      session_{info,
               {"feed", rules::seconds{10},
                [this](pqxx::connection& connection) { difference_.prepare(connection); }},
               log} {
  board_.report(Part::windows, "windows are being built for the first time");
}

void Feed::start() {
  if (mode_ == Doorbell::off) {
    by_design_ = "feed.doorbell is off";
    log_.info("feed_polls", {{"why", by_design_}});
  } else {
    listener_.start();
    watch_canary();
  }
  look();
}

void Feed::take_bell() {
  if (mode_ != Doorbell::off) {
    doorbell_.start();
  }
}

void Feed::stop() {
  stopping_ = true;
  listener_.stop();
  doorbell_.stop();
  timer_.cancel();
  canary_timer_.cancel();
}

void Feed::rebuild(const rules::Service& service) {
  to_rebuild_.insert(service);
  look();
}

void Feed::end_if_stuck(SteadyTime now) {
  session_.end_if_stuck(now);
  doorbell_.end_if_stuck(now);
}

// Any number of bells during a look are one look more.
void Feed::look() {
  if (stopping_) {
    return;
  }
  if (looking_) {
    look_wanted_ = true;
    return;
  }
  looking_ = true;
  look_wanted_ = false;
  const std::vector<rules::Service> services{to_rebuild_.begin(), to_rebuild_.end()};
  to_rebuild_.clear();
  const bool audit = services.empty() && audited_ && steady_now() - *audited_ > audit_every;
  if (audit || !audited_) {
    audited_ = steady_now();
  }
  session_.run_when_connected(
      [this, services, audit](pqxx::connection& connection) {
        auto polled = std::make_shared<Polled>(difference_.poll(connection, services, audit));
        time_.measured(polled->told, polled->asked, polled->answered);
        asio::post(reactor_, [this, polled] { this->polled(polled); });
      },
      [this, services](const SessionFailure& failure) {
        const bool only_late = is_only_late(failure);
        if (!only_late) {
          difference_.forget();
        }
        asio::post(reactor_, [this, failure, services, only_late] {
          if (only_late) {
            late(failure, services);
          } else {
            failed(failure);
          }
        });
      });
}

// Somebody holds a lock on a table. What is known stays true for its second, the next look goes on
// from there, and nothing is judged meanwhile because no time passes in the windows.
void Feed::late(const SessionFailure& failure, const std::vector<rules::Service>& services) {
  looking_ = false;
  to_rebuild_.insert(services.begin(), services.end());
  log_.warning("feed_late", {{"why", failure.what}});
  board_.report(Part::windows, "the tables cannot be read: " + failure.what);
  was_late_ = true;
  look();
}

void Feed::polled(const std::shared_ptr<Polled>& polled) {
  looking_ = false;
  failures_ = 0;
  if (std::exchange(was_late_, false)) {
    board_.report(Part::windows, "");
  }
  meter_.count(Count::feed_polls);
  meter_.count(Count::feed_events, static_cast<double>(polled->events));
  meter_.count(Count::feed_rebuilds, static_cast<double>(polled->recounts));
  if (polled->events > 0) {
    meter_.observe(Timing::feed_lag, rules::in_seconds(polled->told - polled->newest));
  }
  meter_.count(Count::feed_rows_skipped, static_cast<double>(polled->rows_skipped));
  meter_.observe(Timing::feed_poll, rules::in_seconds(polled->answered - polled->asked));
  std::visit(
      [this, &polled](auto& input) {
        if constexpr (std::is_same_v<std::decay_t<decltype(input)>, rules::FeedRebuilt>) {
          complete_ = true;
          log_.info("feed_rebuilt",
                    {{"why", input.why},
                     {"deployments", static_cast<std::int64_t>(input.deployments.size())},
                     {"groups", static_cast<std::int64_t>(input.events.size())}});
          board_.report(Part::windows, "");
          board_.report(Part::database, "");
          meter_.set(Level::feed_complete, 1);
        }
        inbox_.post(std::move(input));
      },
      polled->input);
  if (look_wanted_ || !to_rebuild_.empty()) {
    look();
  } else {
    look_again_later();
  }
}

void Feed::failed(const SessionFailure& failure) {
  looking_ = false;
  ++failures_;
  meter_.set(Level::feed_complete, 0);
  if (complete_ || failures_ == 1) {
    const std::string why = failure.what + remedy_for(failure);
    log_.warning("feed_lost", {{"why", why}});
    meter_.count(Count::feed_reconnects);
    if (failure.lost) {
      board_.report(Part::database, why);
    }
    board_.report(Part::windows, "not complete until the feed is back: " + why);
    inbox_.post(rules::FeedLost{failure.what});
  }
  complete_ = false;
  look_again_later();
}

void Feed::look_again_later() {
  if (stopping_) {
    return;
  }
  timer_.expires_after(failures_ > 0 ? reconnect_delay(failures_) : until_next_look());
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      look();
    }
  });
}

rules::Duration Feed::until_next_look() const {
  if (!is_exact()) {
    return poll_when_deaf;
  }
  const rules::Instant now = time_.now();
  return rules::instant_of(rules::second_of(now) + 1) + after_the_second - now;
}

void Feed::heard(bool canary) {
  meter_.count(Count::feed_bells);
  if (canary && canary_rung_) {
    meter_.set(Level::canary_round_trip_seconds, rules::in_seconds(steady_now() - *canary_rung_));
    board_.report(Part::canary, "");
    canary_rung_.reset();
  }
  look();
}

void Feed::set_deaf(Part part, const std::string& why, bool by_design) {
  if (by_design) {
    if (by_design_ != why) {
      log_.warning("feed_polls", {{"why", why}});
    }
    by_design_ = why;
    board_.report(part, "");
  } else {
    log_.warning("feed_deaf", {{"why", why}});
    board_.report(part, why + "; polling until it is back");
  }
  if (part == Part::listener) {
    meter_.set(Level::feed_listening, 0);
  }
  look();
}

void Feed::watch_canary() {
  if (canary_rung_ && steady_now() - *canary_rung_ > canary_max) {
    board_.report(Part::canary,
                  "the doorbell is not heard: NOTIFY from a second connection is late");
  }
  if (listener_.is_listening() && !canary_rung_) {
    doorbell_.ring_canary();
  }
  canary_timer_.expires_after(canary_every);
  canary_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      watch_canary();
    }
  });
}

}  // namespace rollbackd::engine
