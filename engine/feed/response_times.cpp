#include "engine/feed/response_times.hpp"

#include <utility>

#include "engine/database/backoff.hpp"
#include "engine/feed/response_times_sql.hpp"

namespace rollbackd::engine {
namespace {

// A warning needs no milliseconds.
constexpr rules::Duration poll_every = rules::seconds{1};
// A recount reads every row of the longest window, of which there can be many millions.
constexpr rules::Duration recount_max = rules::seconds{60};
constexpr rules::Duration job_max = rules::seconds{65};
// After a recount, this many times as long without one.
constexpr int rest_factor = 9;

// The same plan every time, no help from other processes, and nothing compiled for one second. The
// cells are few, which no statistics tell the planner: counted by hash, a recount takes a quarter
// of the time that sorting all rows does. A million different ids do not fit, and spill to disk.
constexpr const char* settings =
    "set plan_cache_mode = force_generic_plan; set jit = off; set enable_sort = off;"
    " set enable_seqscan = off;"
    " set max_parallel_workers_per_gather = 0; set statement_timeout = ";

}  // namespace

ResponseTimesFeed::ResponseTimesFeed(asio::io_context& reactor, const ConnectionInfo& info,
                                     rules::Second longest, Inbox& inbox, Log& log, Meter& meter)
    : reactor_{reactor},
      inbox_{inbox},
      log_{log},
      meter_{meter},
      timer_{reactor},
      longest_{longest},
      session_{info,
               {"response times", job_max,
                [this](Connection& connection) {
                  const auto limit_ms = recount_max / std::chrono::milliseconds{1};
                  if (!connection.is_pooled()) {
                    pqxx::nontransaction{connection}.exec(settings + std::to_string(limit_ms));
                  }
                  events_.clear();
                }},
               log} {}

void ResponseTimesFeed::recount(std::uint64_t number) {
  asked_ = number;
  if (!std::exchange(started_, true)) {
    look();
  }
}

void ResponseTimesFeed::stop() {
  stopping_ = true;
  timer_.cancel();
  session_.abandon_job();
}

ResponseTimesRows ResponseTimesFeed::ask_for_new(Connection& connection, const std::string& since) {
  const Transaction work = begin_single(connection);
  ResponseTimesRows reading = read_response_times(run_statement(connection, *work, poll_, since));
  work->commit();
  reading.fresh = reading.seen;
  return reading;
}

// Other logs are watched than before: the feed rebuilds then, and the recount that this leads to
// comes here.
void ResponseTimesFeed::prepare(const std::string& events) {
  if (events == events_) {
    return;
  }
  const ResponseTimesSql sql = response_times_sql(events, longest_);
  const std::string number = std::to_string(++prepared_);
  poll_ = {"poll_" + number, sql.poll};
  recount_ = {"recount_" + number, sql.recount};
  events_ = events;
}

// Both statements see one snapshot, so that what is new is counted as such here, too.
ResponseTimesRows ResponseTimesFeed::ask_for_all(Connection& connection, const std::string& since) {
  const Transaction work = begin(connection);
  work->exec("set transaction isolation level repeatable read");
  prepare(work->exec("select ops.rollbackd_events_query()")[0][0].c_str());
  ResponseTimesRows reading = read_response_times(run_statement(connection, *work, recount_));
  if (!since.empty()) {
    reading.fresh = read_response_times(run_statement(connection, *work, poll_, since)).seen;
  }
  work->commit();
  return reading;
}

void ResponseTimesFeed::look() {
  const bool wants_recount = snapshot_.empty() || answered_ < asked_;
  const bool whole = wants_recount && steady_now() >= rests_until_;
  if (!whole && snapshot_.empty()) {
    look_again_later(poll_every);
    return;
  }
  asked_at_ = steady_now();
  session_.run_when_connected(
      [this, whole, since = snapshot_,
       number = whole ? asked_ : answered_](Connection& connection) {
        const SteadyTime begun = steady_now();
        const auto reading = std::make_shared<ResponseTimesRows>(
            whole ? ask_for_all(connection, since) : ask_for_new(connection, since));
        reading->input.whole = whole;
        reading->input.recount = number;
        asio::post(reactor_,
                   [this, reading, took = steady_now() - begun] { arrived(reading, took); });
      },
      [this, whole](const SessionFailure& failure) {
        asio::post(reactor_, [this, failure, whole] { failed(failure, whole); });
      });
}

void ResponseTimesFeed::arrived(const std::shared_ptr<ResponseTimesRows>& reading,
                                rules::Duration took) {
  failures_ = 0;
  snapshot_ = std::move(reading->snapshot);
  rules::ResponseTimesRead& input = reading->input;
  if (input.whole) {
    answered_ = input.recount;
    rests_until_ = steady_now() + took * rest_factor;
    meter_.count(Count::response_times_recounts);
  }
  const ResponseTimesCounts& fresh = reading->fresh;
  meter_.count(Count::response_times, static_cast<double>(fresh.taken));
  meter_.count(Count::response_times_left_out, static_cast<double>(fresh.left_out));
  meter_.count(Count::response_times_unattributed, static_cast<double>(fresh.unattributed));
  if (!std::exchange(complete_, true)) {
    log_.info("response_times_complete",
              {{"durations", static_cast<std::int64_t>(reading->seen.taken)},
               {"seconds", rules::in_seconds(took)}});
    meter_.set(Level::response_times_complete, 1);
  }
  meter_.observe(Timing::response_times_poll, rules::in_seconds(took));
  inbox_.post(std::move(input));
  look_again_later(poll_every);
}

// A statement that was only late left the connection well: the next one goes on from the same
// snapshot.
void ResponseTimesFeed::failed(const SessionFailure& failure, bool was_recount) {
  const bool only_late = failure.is_only_late();
  ++failures_;
  if (was_recount && !failure.lost) {
    rests_until_ = steady_now() + (steady_now() - asked_at_) * rest_factor;
  }
  if (failures_ == 1 || (complete_ && !only_late)) {
    log_.warning("response_times_late", {{"why", failure.what}});
  }
  if (!only_late) {
    snapshot_.clear();
    if (std::exchange(complete_, false)) {
      meter_.set(Level::response_times_complete, 0);
      inbox_.post(rules::ResponseTimesLost{});
    }
  }
  look_again_later(std::max(poll_every, reconnect_delay(failures_)));
}

void ResponseTimesFeed::look_again_later(rules::Duration delay) {
  if (stopping_) {
    return;
  }
  timer_.expires_after(delay);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !stopping_) {
      look();
    }
  });
}

}  // namespace rollbackd::engine
