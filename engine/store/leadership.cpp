#include "engine/store/leadership.hpp"

#include <array>
#include <stdexcept>
#include <unistd.h>

#include "engine/database/doorbell_names.hpp"
#include "engine/database/statement.hpp"
#include "engine/fail_point.hpp"

namespace rollbackd::engine {
namespace {

// Who leads, for people: the machine and the process on it.
std::string own_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) {
    host = {'?'};
  }
  return std::string{host.data()} + ":" + std::to_string(::getpid()) + "/rollbackd";
}

// The row is locked by every write of a leader until it is committed, so all that was committed
// under an earlier epoch is to be seen after this.
std::int64_t next_epoch(Connection& connection) {
  const Transaction work = begin(connection);
  const pqxx::result raised = work->exec_params(
      "with raised as (update ops.leader set epoch = epoch + 1, holder = $1, since = now()"
      " returning epoch),"
      " told as (insert into ops.roman_events (event_type, severity, source, description, metadata)"
      " select 'leadership', 'info', 'rollbackd', $1 || ' leads, epoch ' || epoch,"
      " jsonb_build_object('epoch', epoch, 'holder', $1) from raised)"
      " select epoch from raised",
      own_name());
  if (raised.size() != 1) {
    throw std::runtime_error{"ops.leader has " + std::to_string(raised.size()) +
                             " rows instead of one; run `rollbackd install`"};
  }
  work->commit();
  return raised[0][0].as<std::int64_t>();
}

}  // namespace

HeldLock::Options Leadership::options() {
  HeldLock::Options chosen;
  chosen.purpose = "leader";
  chosen.key = leader_key;
  chosen.lease = rules::seconds{5};
  chosen.try_every = rules::Duration{500'000};
  chosen.job_max = rules::seconds{3};
  chosen.in_transaction_if_pooled = true;
  chosen.once_taken = [this](Connection& connection) { raise_epoch(connection); };
  return chosen;
}

Leadership::Leadership(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers,
                       Log& log, Meter& meter, Board& board)
    : info_{info},
      handlers_{std::move(handlers)},
      log_{log},
      meter_{meter},
      board_{board},
      lock_{reactor,
            info,
            options(),
            {[this] { lead(); }, [this] { wait(); }, [](const std::string&) {},
             [this](const std::string& why) { lose(why); }},
            log} {
  board_.report(Part::leadership, "not leading yet");
}

// Behind a pooler the lock is held by an open transaction, in which nothing could be committed.
void Leadership::raise_epoch(Connection& connection) {
  try {
    if (!connection.is_pooled()) {
      epoch_ = next_epoch(connection);
      return;
    }
    const Result<std::string> conninfo = session_conninfo(info_, "leader");
    if (!conninfo) {
      throw std::runtime_error{conninfo.error().what};
    }
    epoch_ = next_epoch(*open_connection(*conninfo));
  } catch (const std::exception& e) {
    // Not as the server's own error: one that says "locked" would be taken for a lock that somebody
    // else holds.
    throw std::runtime_error{"the epoch in ops.leader cannot be raised: " + one_line(e.what())};
  }
}

void Leadership::lead() {
  fail_point("leadership_taken");
  leading_ = true;
  waiting_told_ = false;
  meter_.set(Level::leader, 1);
  meter_.set(Level::leader_epoch, static_cast<double>(epoch_.load()));
  meter_.count(Count::leadership_changes);
  board_.report(Part::leadership, "");
  log_.info("leading", {{"epoch", epoch_.load()}});
  handlers_.on_leading(epoch_);
}

void Leadership::wait() {
  if (!waiting_told_) {
    waiting_told_ = true;
    log_.info("waiting_to_lead", {{"why", std::string{"another rollbackd leads"}}});
    board_.report(Part::leadership, "another rollbackd leads; this one waits to take over");
  }
}

void Leadership::lose(const std::string& why) {
  board_.report(Part::leadership, "cannot lead: " + why);
  if (!leading_) {
    return;
  }
  leading_ = false;
  fail_point("leadership_lost");
  meter_.set(Level::leader, 0);
  meter_.set(Level::leader_epoch, 0);
  meter_.count(Count::leadership_changes);
  log_.warning("leadership_lost", {{"why", why}});
  handlers_.on_lost();
}

}  // namespace rollbackd::engine
