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

HeldLock::Options options() {
  HeldLock::Options chosen;
  chosen.purpose = "doorbell";
  chosen.key = doorbell_key;
  chosen.lease = rules::seconds{3};
  chosen.try_every = rules::seconds{1};
  chosen.job_max = rules::seconds{6};
  chosen.waits = true;
  chosen.forbidden_by = forbidden_by_prepared_transactions;
  return chosen;
}

}  // namespace

DoorbellKey::DoorbellKey(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers,
                         Log& log)
    : reactor_{reactor},
      handlers_{std::move(handlers)},
      lock_{reactor,
            info,
            options(),
            {handlers_.on_taken, [] {},
             [this](const std::string& why) { handlers_.on_silent(why, true); },
             [this](const std::string& why) { handlers_.on_silent(why, false); }},
            log} {}

void DoorbellKey::ring_canary() {
  lock_.run([this](pqxx::connection& connection) {
    asio::post(reactor_, [this] { handlers_.on_canary_rung(); });
    pqxx::nontransaction{connection}.exec(std::string{"select pg_notify('"} + doorbell_channel +
                                          "', 'canary')");
  });
}

}  // namespace rollbackd::engine
