#include "engine/feed/doorbell_key.hpp"

#include "engine/database/doorbell_names.hpp"

namespace rollbackd::engine {
namespace {

// PREPARE TRANSACTION fails in a transaction that has rung, so there the bell has to stay silent.
std::optional<std::string> forbidden_by_prepared_transactions(pqxx::connection& connection) {
  pqxx::nontransaction work{connection};
  if (work.exec("show max_prepared_transactions")[0][0].as<int>() == 0) {
    return std::nullopt;
  }
  return "max_prepared_transactions is above 0, and PREPARE TRANSACTION fails after a NOTIFY";
}

// PreCommit_Notify() takes the lock of "database 0" of pg_database, 1262.
constexpr const char* harm_sql =
    "select pg_notification_queue_usage(), (select count(*) from pg_locks"
    " where locktype = 'object' and classid = 1262 and objid = 0 and not granted)";

}  // namespace

HeldLock::Options DoorbellKey::options() {
  HeldLock::Options chosen;
  chosen.purpose = "doorbell";
  chosen.key = doorbell_key;
  chosen.lease = rules::seconds{3};
  chosen.try_every = rules::seconds{1};
  chosen.job_max = rules::seconds{6};
  // While somebody waits for K every writer rings, so a wait is short.
  chosen.waits = rules::Duration{300'000};
  chosen.forbidden_by = forbidden_by_prepared_transactions;
  chosen.on_heartbeat = [this](pqxx::connection& connection) { measure_on(connection); };
  return chosen;
}

DoorbellKey::DoorbellKey(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers,
                         Log& log)
    : reactor_{reactor},
      handlers_{std::move(handlers)},
      lock_{reactor,
            info,
            options(),
            {handlers_.on_taken, handlers_.on_waiting,
             [this](const std::string& why) { handlers_.on_lost(why, true); },
             [this](const std::string& why) { handlers_.on_lost(why, false); }},
            log} {}

void DoorbellKey::measure() {
  lock_.run([this](pqxx::connection& connection) { measure_on(connection); });
}

void DoorbellKey::measure_on(pqxx::connection& connection) {
  pqxx::nontransaction work{connection};
  const pqxx::row row = work.exec(harm_sql)[0];
  asio::post(reactor_, [this, harm = Harm{row[0].as<double>(), row[1].as<std::uint64_t>()}] {
    handlers_.on_measured(harm);
  });
}

void DoorbellKey::ring_canary() {
  lock_.run([this](pqxx::connection& connection) {
    asio::post(reactor_, [this] { handlers_.on_canary_rung(); });
    pqxx::nontransaction{connection}.exec(std::string{"select pg_notify('"} + doorbell_channel +
                                          "', 'canary')");
  });
}

}  // namespace rollbackd::engine
