#include "engine/database/session.hpp"

#include <chrono>
#include <sys/socket.h>
#include <utility>

#include "engine/database/backoff.hpp"
#include "engine/database/connection.hpp"

namespace rollbackd::engine {

namespace {

// On every session: no query of ours may hang on a lock or hold one, and times are UTC.
constexpr const char* session_settings =
    "set statement_timeout = '8s'; set lock_timeout = '2s'; "
    "set idle_in_transaction_session_timeout = '10s'; set timezone = 'UTC'; "
    "set datestyle = 'ISO, YMD'; set search_path = pg_catalog, pg_temp";

}  // namespace

Session::Session(const ConnectionInfo& info, Options options, Log& log)
    : options_{std::move(options)}, log_{log} {
  if (auto conninfo = session_conninfo(info, options_.purpose)) {
    conninfo_ = *conninfo;
  } else {
    log_.error("conninfo_unreadable", {{"what", conninfo.error().what}});
  }
  thread_ = std::thread{[this] { work(); }};
}

Session::~Session() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Session::run(Job job, OnFailure on_failure) {
  add({std::move(job), std::move(on_failure), false});
}

void Session::run_when_connected(Job job, OnFailure on_failure) {
  add({std::move(job), std::move(on_failure), true});
}

void Session::add(Entry entry) {
  {
    const std::lock_guard lock{mutex_};
    queue_.push_back(std::move(entry));
  }
  changed_.notify_one();
}

void Session::pause(rules::Duration delay) {
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, delay, [this] { return stopping_; });
}

void Session::end_if_stuck(SteadyTime now) {
  const std::lock_guard lock{mutex_};
  if (busy_since_ && connection_ && now - *busy_since_ > options_.job_max) {
    log_.error("session_stuck", {{"session", options_.purpose},
                                 {"busy_seconds", rules::in_seconds(now - *busy_since_)}});
    ::shutdown(connection_->sock(), SHUT_RDWR);
    busy_since_ = now;
  }
}

void Session::set_job_max(rules::Duration job_max) {
  const std::lock_guard lock{mutex_};
  options_.job_max = job_max;
}

void Session::abandon_job() {
  const std::lock_guard lock{mutex_};
  if (busy_since_ && connection_) {
    ::shutdown(connection_->sock(), SHUT_RDWR);
  }
}

void Session::work() {
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    if (!connection_ && !reconnect(lock)) {
      continue;
    }
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) {
      break;
    }
    const Entry entry = std::move(queue_.front());
    queue_.pop_front();
    busy_since_ = steady_now();
    lock.unlock();
    run_entry(entry);
    lock.lock();
    busy_since_.reset();
  }
  connection_.reset();
}

bool Session::reconnect(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const bool connected = try_to_connect();
  lock.lock();
  if (connected) {
    attempts_ = 0;
    return true;
  }
  // What does not wait fails now; what waits stays.
  std::deque<Entry> failing;
  for (Entry& entry : std::exchange(queue_, {})) {
    (entry.waits ? queue_ : failing).push_back(std::move(entry));
  }
  lock.unlock();
  for (const Entry& entry : failing) {
    entry.on_failure({"no connection to the database", "", true});
  }
  lock.lock();
  changed_.wait_for(lock, reconnect_delay(++attempts_), [this] { return stopping_; });
  return false;
}

bool Session::try_to_connect() {
  try {
    auto connection = open_connection(conninfo_);
    pqxx::nontransaction{*connection}.exec(session_settings);
    {
      const std::lock_guard lock{mutex_};
      connection_ = std::move(connection);
      busy_since_ = steady_now();
    }
    options_.on_connect(*connection_);
    const std::lock_guard lock{mutex_};
    busy_since_.reset();
    return true;
  } catch (const std::exception& e) {
    drop_connection();
    // The first attempt of a series speaks; the rest would only repeat it.
    if (attempts_ == 0) {
      log_.warning("database_unreachable",
                   {{"session", options_.purpose}, {"what", one_line(e.what())}});
    }
    return false;
  }
}

void Session::run_entry(const Entry& entry) {
  const auto fail = [&](const char* what, const std::string& sqlstate, bool lost) {
    if (!lost) {
      entry.on_failure({one_line(what), sqlstate, false});
      return;
    }
    drop_connection();
    entry.on_failure({"the connection to the database was lost", sqlstate, true});
  };
  try {
    entry.job(*connection_);
  } catch (const pqxx::broken_connection& e) {
    fail(e.what(), "", true);
  } catch (const pqxx::in_doubt_error& e) {
    fail(e.what(), "", true);
  } catch (const pqxx::failure& e) {
    fail(e.what(), sqlstate_of(e), !connection_->is_open());
  } catch (const std::exception& e) {
    fail(e.what(), "", !connection_->is_open());
  }
}

void Session::drop_connection() {
  const std::lock_guard lock{mutex_};
  busy_since_.reset();
  connection_.reset();
}

}  // namespace rollbackd::engine
