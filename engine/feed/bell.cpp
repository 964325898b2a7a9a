#include "engine/feed/bell.hpp"

#include <utility>

#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

constexpr rules::Duration canary_every = rules::seconds{5};
constexpr rules::Duration canary_max = rules::seconds{4};
// Bells are counted over so short a time that a storm is noticed before it has harmed much.
constexpr rules::Duration bells_over{100'000};
constexpr rules::Duration events_over = rules::seconds{1};
// With more bells than this the harm they do is measured at once, and again this often.
constexpr double many_bells = 50;
constexpr rules::Duration measure_every{100'000};

const char* name_of(BellReason reason) {
  switch (reason) {
    case BellReason::calm:
      return "calm";
    case BellReason::commits:
      return "commits";
    case BellReason::bells:
      return "bells";
    case BellReason::queue:
      return "notify_queue";
    case BellReason::waiters:
      return "notify_lock_waiters";
  }
  UNREACHABLE("BellReason");
}

}  // namespace

Bell::Bell(asio::io_context& reactor, const ConnectionInfo& info, Doorbell setting,
           const CommitLatency& latency, std::function<void()> on_ring, Log& log, Meter& meter,
           Board& board)
    : setting_{setting},
      latency_{latency},
      on_ring_{std::move(on_ring)},
      log_{log},
      meter_{meter},
      board_{board},
      bells_{bells_over},
      events_{events_over},
      canary_timer_{reactor},
      listener_{reactor,
                info,
                {[this](const Listener::Heard& bells) { heard(bells); },
                 [this] {
                   log_.info("listening");
                   by_design_.listener.clear();
                   board_.report(Part::listener, "");
                   meter_.set(Level::feed_listening, 1);
                   hold_key_if_it_serves();
                   tell_mode();
                 },
                 [this](const std::string& why, bool by_design) {
                   deaf(Part::listener, why, by_design);
                 }},
                log},
      key_{
          reactor,
          info,
          {[this] { taken(); }, [this] { log_.debug("doorbell_waits"); },
           [this](const std::string& why, bool by_design) { deaf(Part::doorbell, why, by_design); },
           [this](const DoorbellKey::Harm& harm) { measured(harm); },
           [this] {
             canary_rung_ = steady_now();
             meter_.count(Count::canaries);
           }},
          log} {}

void Bell::start() {
  if (setting_ == Doorbell::off) {
    by_design_.listener = "feed.doorbell is off";
    log_.info("feed_polls", {{"why", by_design_.listener}});
    tell_mode();
    return;
  }
  listener_.start();
  key_.open();
  watch_canary();
}

void Bell::stop() {
  listener_.stop();
  key_.stop();
  canary_timer_.cancel();
}

void Bell::lead() {
  leading_ = true;
  hold_key_if_it_serves();
}

void Bell::follow() {
  leading_ = false;
  may_ring_ = true;
  policy_ = {};
  hold_key_if_it_serves();
  board_.report(Part::doorbell, "");
  tell_mode();
}

// Nobody is to ring while nobody listens.
void Bell::hold_key_if_it_serves() {
  if (leading_ && may_ring_ && listener_.is_listening()) {
    key_.take();
  } else {
    key_.let_go();
  }
}

const std::string& Bell::polls_by_design() const {
  return by_design_.listener.empty() ? by_design_.key : by_design_.listener;
}

Bell::Mode Bell::mode() const {
  if (!may_ring_ && polls_by_design().empty()) {
    return Mode::silent;
  }
  return listener_.is_listening() && key_.is_held() ? Mode::exact : Mode::polling;
}

void Bell::tell_mode() {
  meter_.set(Level::doorbell_silent, mode() == Mode::silent ? 1 : 0);
  on_ring_();
}

// A bell in a storm says nothing that the timer does not know.
void Bell::heard(const Listener::Heard& heard) {
  meter_.count(Count::feed_bells, static_cast<double>(heard.bells));
  meter_.count(Count::feed_strange_bells, static_cast<double>(heard.strange));
  bells_.add(heard.bells, steady_now());
  if (heard.canary) {
    canary_heard();
  }
  consider();
  if (may_ring_) {
    on_ring_();
  }
}

void Bell::found(std::uint64_t events) {
  events_.add(events, steady_now());
  if (!may_ring_) {
    consider();
  }
}

void Bell::measured(const DoorbellKey::Harm& harm) {
  harm_ = harm;
  consider();
}

void Bell::consider() {
  if (setting_ != Doorbell::automatic || !leading_) {
    return;
  }
  const SteadyTime now = steady_now();
  const BellMeasurements measurements{bells_.per_second(now), events_.per_second(now),
                                      latency_.get(), harm_.queue_usage_ratio, harm_.lock_waiters};
  const bool could = may_ring_;
  may_ring_ = policy_.may_ring(measurements, now);
  if (could && !may_ring_) {
    hold_key_if_it_serves();
    board_.report(Part::doorbell, "");
    meter_.count(Count::doorbell_silences);
    log_.info("doorbell_silenced",
              {{"why", std::string{name_of(policy_.reason())}},
               {"bells_per_second", measurements.bells_per_second},
               {"commit_latency_ms", rules::in_seconds(measurements.commit_latency) * 1000},
               {"lock_waiters", static_cast<std::int64_t>(harm_.lock_waiters)},
               {"queue_usage", harm_.queue_usage_ratio}});
    tell_mode();
  } else if (!could && may_ring_) {
    log_.info("doorbell_may_ring");
    hold_key_if_it_serves();
    tell_mode();
  } else if (may_ring_ && measurements.bells_per_second > many_bells &&
             (!measured_at_ || now - *measured_at_ > measure_every)) {
    measured_at_ = now;
    key_.measure();
  }
}

void Bell::taken() {
  log_.info("doorbell_taken");
  by_design_.key.clear();
  board_.report(Part::doorbell, "");
  tell_mode();
}

void Bell::deaf(Part part, const std::string& why, bool by_design) {
  if (by_design) {
    std::string& known = part == Part::listener ? by_design_.listener : by_design_.key;
    if (std::exchange(known, why) != why) {
      log_.warning("feed_polls", {{"why", why}});
    }
    board_.report(part, "");
  } else {
    log_.warning("feed_deaf", {{"why", why}});
    board_.report(part, why + "; polling until it is back");
  }
  if (part == Part::listener) {
    meter_.set(Level::feed_listening, 0);
    canary_rung_.reset();
    hold_key_if_it_serves();
  }
  tell_mode();
}

void Bell::canary_heard() {
  if (!canary_rung_) {
    return;
  }
  meter_.set(Level::canary_round_trip_seconds, rules::in_seconds(steady_now() - *canary_rung_));
  meter_.set(Level::canary_timestamp_seconds, rules::in_seconds(wall_now().time_since_epoch()));
  board_.report(Part::canary, "");
  canary_rung_.reset();
}

void Bell::watch_canary() {
  if (canary_rung_ && steady_now() - *canary_rung_ > canary_max) {
    board_.report(Part::canary,
                  "the doorbell is not heard: NOTIFY from a second connection is late");
    meter_.count(Count::canaries_lost);
    canary_rung_.reset();  // this one may be lost, the next one may not
  }
  if (listener_.is_listening() && !canary_rung_) {
    key_.ring_canary();
  }
  canary_timer_.expires_after(canary_every);
  canary_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      watch_canary();
    }
  });
}

}  // namespace rollbackd::engine
