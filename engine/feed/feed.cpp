#include "engine/feed/feed.hpp"

#include <algorithm>
#include <utility>

#include "engine/database/backoff.hpp"

namespace rollbackd::engine {
namespace {

// The safety poll: just after each second of the database's clock, so that the windows move with
// it.
constexpr rules::Duration after_the_second{2'000};
// While nothing rings. In a storm the tables are asked again after twice the time that the last
// question took, so that asking never takes more than a third of a backend's time.
constexpr rules::Duration poll_when_deaf{50'000};
constexpr rules::Duration poll_in_storm{20'000};
constexpr rules::Duration poll_in_storm_max{250'000};
// Memory against a count of every row; where that takes long, less often, so that it never takes
// more than a twentieth of a backend's time.
constexpr rules::Duration audit_every = rules::minutes{1};
constexpr int audit_rests = 20;
constexpr std::size_t told_max = 100;
constexpr rules::Duration recount_again_after = rules::seconds{1};
// A look may take so long. One that cannot be done in time is given twice as much, and the server
// is taken for stuck only after that.
constexpr rules::Duration patience_least = rules::seconds{8};
constexpr rules::Duration patience_most = rules::minutes{5};
constexpr int questions_max = 2;
constexpr rules::Duration stuck_after = rules::seconds{2};

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

std::int64_t milliseconds(rules::Duration duration) { return duration.count() / 1000; }

}  // namespace

Feed::Feed(asio::io_context& reactor, const ConnectionInfo& info, Options options, Shared shared)
    : reactor_{reactor},
      shared_{shared},
      patience_{patience_least},
      audit_due_{steady_now() + audit_every},
      timer_{reactor},
      difference_{options.longest_window},
      bell_{reactor,    info,         options.doorbell, shared.latency, [this] { look(); },
            shared.log, shared.meter, shared.board},
      recount_{
          reactor,
          info,
          options.longest_window,
          {[this](std::vector<rules::WindowsRecounted> answers, rules::Duration took) {
             recounted(std::move(answers), took);
           },
           [this](const Recount::Audited& found, rules::Duration took) { audited(found, took); },
           [this](const std::string& why) { recount_failed(why); }},
          shared.log},
      session_{info,
               {"feed", rules::seconds{10},
                [this](Connection& connection) {
                  shared_.board.report(Part::database, "");
                  difference_.connected(connection);
                },
                [this](const std::string& why) { shared_.board.report(Part::database, why); }},
               shared.log} {
  shared_.board.report(Part::windows, "windows are being built for the first time");
}

void Feed::start() {
  bell_.start();
  look();
}

void Feed::stop() {
  stopping_ = true;
  bell_.stop();
  timer_.cancel();
}

void Feed::end_if_stuck(SteadyTime now) {
  session_.end_if_stuck(now);
  recount_.end_if_stuck(now);
  bell_.end_if_stuck(now);
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
  session_.set_job_max(patience_ * questions_max + stuck_after);
  session_.run_when_connected(
      [this, patience = patience_](Connection& connection) {
        auto looked = std::make_shared<Looked>(difference_.look(connection, patience));
        shared_.time.measured(looked->told, looked->asked, looked->answered);
        asio::post(reactor_, [this, looked] { this->looked(looked); });
      },
      [this](const SessionFailure& failure) {
        const bool only_late = failure.is_only_late();
        if (!only_late) {
          difference_.forget(failure.lost ? "reconnected" : "statement_failed");
        }
        asio::post(reactor_, [this, failure, only_late] {
          if (only_late) {
            late(failure);
          } else {
            failed(failure);
          }
        });
      });
}

// What is known stays true for its second, the next look goes on from there, and meanwhile the
// rules judge no windows that have fallen behind.
void Feed::late(const SessionFailure& failure) {
  looking_ = false;
  if (failure.sqlstate == query_canceled) {
    patience_ = std::min(patience_ * 2, patience_most);
  }
  shared_.log.warning("feed_late", {{"why", failure.what}});
  shared_.board.report(Part::windows, "the tables cannot be read: " + failure.what);
  was_late_ = true;
  look();
}

void Feed::looked(const std::shared_ptr<Looked>& looked) {
  looking_ = false;
  failures_ = 0;
  look_took_ = looked->answered - looked->asked;
  if (look_took_ < patience_ / 4) {
    patience_ = patience_least;
  }
  if (std::exchange(was_late_, false)) {
    shared_.board.report(Part::windows, "");
  }
  // As the windows: only a rebuild takes them back.
  const bool rebuilt = std::holds_alternative<rules::FeedRebuilt>(looked->input);
  const rules::Second told = rules::second_of(looked->told);
  const rules::Second second = rebuilt ? told : std::max(last_.second, told);
  last_ = {looked->look, second, looked->snapshot, looked->server, looked->events};
  tell(*looked);
  hand_over(looked);
  bell_.found(looked->count);
  recount();
  if (look_wanted_ && bell_.mode() != Bell::Mode::silent) {
    look();
  } else {
    look_again_later();
  }
}

void Feed::tell(const Looked& looked) {
  Meter& meter = shared_.meter;
  const ToldApart& apart = looked.told_apart;
  meter.count(Count::feed_polls);
  meter.observe(Timing::feed_poll, rules::in_seconds(look_took_));
  meter.count(Count::feed_untimed_rows, static_cast<double>(apart.untimed));
  meter.count(Count::feed_early_rows, static_cast<double>(apart.early));
  meter.count(Count::feed_unknown_deployments, static_cast<double>(apart.unknown));
  meter.count(Count::feed_unowned_events, static_cast<double>(apart.nobodys));
  meter.count(Count::feed_rows_skipped, static_cast<double>(looked.rows_skipped));
  if (std::holds_alternative<rules::FeedRebuilt>(looked.input)) {
    return;
  }
  meter.count(Count::feed_events, static_cast<double>(looked.count));
  if (looked.count > 0) {
    meter.observe(Timing::feed_lag, rules::in_seconds(looked.told - looked.newest));
  }
}

void Feed::hand_over(const std::shared_ptr<Looked>& looked) {
  if (auto* batch = std::get_if<rules::FeedBatch>(&looked->input)) {
    batch->audited = !to_audit_ && steady_now() > audit_due_;
    if (batch->audited) {
      to_audit_ = last_;
    }
    shared_.inbox.post(std::move(*batch));
    return;
  }
  auto& rebuilt = std::get<rules::FeedRebuilt>(looked->input);
  complete_ = true;
  to_recount_.clear();
  to_audit_.reset();
  audit_due_ = steady_now() + audit_every;
  shared_.meter.count(Count::feed_rebuilds);
  shared_.log.info("feed_rebuilt", {{"why", rebuilt.why},
                                    {"deployments", std::int64_t(rebuilt.deployments.size())},
                                    {"events", std::int64_t(looked->count)},
                                    {"duration_ms", milliseconds(look_took_)}});
  shared_.board.report(Part::windows, "");
  shared_.board.report(Part::database, "");
  shared_.meter.set(Level::feed_complete, 1);
  shared_.inbox.post(std::move(rebuilt));
}

void Feed::failed(const SessionFailure& failure) {
  looking_ = false;
  ++failures_;
  shared_.meter.set(Level::feed_complete, 0);
  if (complete_ || failures_ == 1) {
    const std::string why = failure.what + remedy_for(failure);
    shared_.log.warning("feed_lost", {{"why", why}});
    shared_.meter.count(Count::feed_gaps);
    if (failure.lost) {
      shared_.meter.count(Count::feed_reconnects);
      shared_.board.report(Part::database, why);
    }
    shared_.board.report(Part::windows, "not complete until the feed is back: " + why);
    shared_.inbox.post(rules::FeedLost{failure.what});
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
  switch (bell_.mode()) {
    case Bell::Mode::silent:
      return std::clamp(look_took_ * 2, poll_in_storm, poll_in_storm_max);
    case Bell::Mode::polling:
      return std::max(poll_when_deaf, look_took_ * 2);
    case Bell::Mode::exact:
      break;
  }
  const rules::Instant now = shared_.time.now();
  return rules::instant_of(rules::second_of(now) + 1) + after_the_second - now;
}

void Feed::rebuild(const rules::RebuildWindows& wanted) {
  to_recount_.insert_or_assign(wanted.service, wanted);
  recount();
}

// One thing at a time, as the last look saw it: services that wait to be judged again, then audits.
void Feed::recount() {
  if (!complete_ || recount_.is_busy() || steady_now() < recount_not_before_) {
    return;
  }
  if (!to_recount_.empty()) {
    recounting_.clear();
    for (auto& [service, one] : std::exchange(to_recount_, {})) {
      recounting_.push_back(std::move(one));
    }
    recount_.windows(last_, recounting_);
  } else if (to_audit_) {
    audit_due_ = steady_now() + audit_every;
    recount_.audit(*std::exchange(to_audit_, std::nullopt));
  }
}

void Feed::recounted(std::vector<rules::WindowsRecounted> answers, rules::Duration took) {
  shared_.meter.count(Count::feed_rebuilds, static_cast<double>(answers.size()));
  const auto asked = std::exchange(recounting_, {});
  for (std::size_t i = 0; i < answers.size(); ++i) {
    std::uint64_t events = 0;
    for (const rules::EventGroup& group : answers[i].events) {
      events += group.count();
    }
    shared_.log.info("windows_recounted", {{"environment", answers[i].service.environment},
                                           {"service", answers[i].service.name},
                                           {"why", asked[i].why},
                                           {"events", static_cast<std::int64_t>(events)},
                                           {"duration_ms", milliseconds(took)}});
    shared_.inbox.post(std::move(answers[i]));
  }
  recount();
}

void Feed::audited(const Recount::Audited& found, rules::Duration took) {
  audit_due_ = steady_now() + std::max(audit_every, took * audit_rests);
  for (const auto& [log, rows] : found.foreign) {
    if (told_.insert(log).second) {
      shared_.log.warning(
          "foreign_rows",
          {{"log", log},
           {"rows", static_cast<std::int64_t>(rows)},
           {"what", std::string{"their xid is missing or of another server, so that "
                                "only the audit finds them, once a minute"}}});
    }
  }
  shared_.meter.set(Level::feed_unwatched_severities, static_cast<double>(found.unwatched.size()));
  for (const auto& [log, severity] : found.unwatched) {
    if (told_.size() < told_max && told_.insert(log + '\0' + severity).second) {
      shared_.log.warning("severity_not_watched",
                          {{"log", log},
                           {"severity", severity},
                           {"remedy", std::string{"if it is to count, name it in p_severities of "
                                                  "ops.watch_error_log()"}}});
    }
  }
  shared_.inbox.post(found.counted);
  recount();
}

// What was to be counted is asked for again, unless it has been asked for anew meanwhile. An audit
// is left out: the next one comes.
void Feed::recount_failed(const std::string& why) {
  shared_.log.warning("recount_failed", {{"why", why}});
  for (rules::RebuildWindows& one : std::exchange(recounting_, {})) {
    to_recount_.emplace(one.service, std::move(one));
  }
  recount_not_before_ = steady_now() + recount_again_after;
  audit_due_ = std::max(audit_due_, steady_now() + audit_every);
}

}  // namespace rollbackd::engine
