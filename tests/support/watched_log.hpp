#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pqxx/pqxx>

#include "engine/database/doorbell_names.hpp"
#include "tests/support/installed.hpp"

namespace rollbackd::tests {

// Hears the doorbell.
class Listener : public pqxx::notification_receiver {
 public:
  explicit Listener(const std::string& conninfo) : Listener{connect(conninfo), connect(conninfo)} {}

  // How often it rang, with the empty payload, since it was asked last. Notifications come in the
  // order of commits, so when the mark is there, so is all that was committed before it.
  int rings() {
    query(*other_, "select pg_notify('rollbackd', 'mark')");
    while (!marked_) {
      own_->await_notification(10, 0);
    }
    marked_ = false;
    return std::exchange(count_, 0);
  }

  void operator()(const std::string& payload, int /*pid*/) override {
    if (payload == "mark") {
      marked_ = true;
    } else if (payload.empty()) {
      ++count_;
    }
  }

 private:
  Listener(std::unique_ptr<pqxx::connection> own, std::unique_ptr<pqxx::connection> other)
      : notification_receiver{*own, engine::doorbell_channel},
        own_{std::move(own)},
        other_{std::move(other)} {}

  std::unique_ptr<pqxx::connection> own_;
  std::unique_ptr<pqxx::connection> other_;
  int count_ = 0;
  bool marked_ = false;
};

// As the daemon holds it.
class HeldKey {
 public:
  explicit HeldKey(const std::string& conninfo) : connection_{connect(conninfo)} {
    query(*connection_, "select pg_advisory_lock(" + std::to_string(engine::doorbell_key) + ")");
  }
  int pid() { return connection_->backendpid(); }

 private:
  std::unique_ptr<pqxx::connection> connection_;
};

// What ops.watch_error_log(arguments) returns, in order.
inline std::vector<std::string> watch(pqxx::connection& connection, const std::string& arguments) {
  std::vector<std::string> left;
  for (const pqxx::row& row :
       rows(connection, "select unnest(ops.watch_error_log(" + arguments + "))")) {
    left.emplace_back(row[0].c_str());
  }
  return left;
}

// Watches, runs what is left, and watches again: what is left then.
inline std::vector<std::string> watch_wholly(pqxx::connection& connection,
                                             const std::string& arguments) {
  for (const auto& statement : watch(connection, arguments)) {
    rows(connection, statement);
  }
  return watch(connection, arguments);
}

// The first field of the query over all events, in which `events` stands for them.
inline std::string of_events(pqxx::connection& connection, const std::string& sql) {
  return query(
      connection,
      "with events as (" + query(connection, "select ops.rollbackd_events_query()") + ") " + sql);
}

}  // namespace rollbackd::tests
