#include "engine/database/session.hpp"

#include <chrono>
#include <sys/socket.h>
#include <utility>

#include "engine/database/backoff.hpp"
#include "engine/database/refusal.hpp"
#include "engine/database/statement.hpp"

namespace rollbackd::engine {

namespace {

constexpr rules::Duration idle_check_every = rules::seconds{5};

constexpr const char* login_remedy =
    "; give the daemon's role its password in database.password or password_file (which is read "
    "anew each time), or let it in by pg_hba.conf";

void ask_nothing(Connection& connection) { pqxx::nontransaction{connection}.exec("select 1"); }

}  // namespace

bool SessionFailure::is_only_late() const {
  return !lost && (sqlstate == lock_not_available || sqlstate == query_canceled);
}

Session::Session(const ConnectionInfo& info, Options options, Log& log)
    : info_{info}, options_{std::move(options)}, log_{log} {
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

void Session::drop() {
  const std::lock_guard lock{mutex_};
  if (connection_) {
    ::shutdown(connection_->sock(), SHUT_RDWR);
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
    const bool wanted =
        changed_.wait_for(lock, idle_check_every, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) {
      break;
    }
    if (!wanted) {
      queue_.push_back({[](Connection& connection) { ask_nothing(connection); },
                        [](const SessionFailure&) {}, false});
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
    entry.on_failure({"no connection to the database: " + unreachable_, "", true});
  }
  lock.lock();
  changed_.wait_for(lock, reconnect_delay(++attempts_, login_refused_),
                    [this] { return stopping_; });
  return false;
}

bool Session::try_to_connect() {
  const Result<std::string> conninfo = session_conninfo(info_, options_.purpose);
  if (!conninfo) {
    cannot_connect({}, conninfo.error().what);
    return false;
  }
  try {
    auto connection = std::make_unique<Connection>(*conninfo);
    {
      const std::lock_guard lock{mutex_};
      connection_ = std::move(connection);
      busy_since_ = steady_now();
    }
    connection_->look_for_pooler();
    if (!connection_->is_pooled()) {
      set_for_session(*connection_);
    }
    options_.on_connect(*connection_);
    const std::lock_guard lock{mutex_};
    busy_since_.reset();
  } catch (const std::exception& e) {
    drop_connection();
    cannot_connect(*conninfo, one_line(e.what()));
    return false;
  }
  if (!std::exchange(unreachable_, {}).empty()) {
    login_refused_ = false;
    log_.info("database_reached", {{"session", options_.purpose}});
  }
  return true;
}

// What would only be repeated is not said again.
void Session::cannot_connect(const std::string& conninfo, const std::string& what) {
  if (what == unreachable_) {
    return;
  }
  unreachable_ = what;
  login_refused_ = !conninfo.empty() && is_login_refused(refusal_of(conninfo));
  const std::string why = what + (login_refused_ ? login_remedy : "");
  log_.warning("database_unreachable", {{"session", options_.purpose}, {"what", why}});
  options_.on_unreachable(why);
}

void Session::run_entry(const Entry& entry) {
  const auto fail = [&](const char* what, const std::string& sqlstate, bool lost) {
    if (!lost) {
      entry.on_failure({one_line(what), sqlstate, false});
      return;
    }
    drop_connection();
    entry.on_failure(
        {"the connection to the database was lost: " + one_line(what), sqlstate, true});
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
