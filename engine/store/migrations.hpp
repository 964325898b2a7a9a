#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Runs the rollback_scripts of migrations under a role of their own, each in one transaction with
// its record in ops.migration_history. One that fails is taken back, recorded, and stops the rest;
// one that is reverted already is passed over, so the same can be asked for again after a crash.
// Any thread.
class MigrationReverter {
 public:
  // One script may take so long.
  static constexpr rules::Duration script_limit = rules::minutes{10};
  // One statement of it may wait so long for a lock: everybody else waits behind it.
  static constexpr rules::Duration lock_limit = rules::seconds{5};

  // The rollback.migration_role of a service; empty: its migrations are refused.
  using RoleOf = std::function<std::string(const rules::Service&)>;

  MigrationReverter(const ConnectionInfo& info, RoleOf role_of, Inbox& inbox, Log& log);

  // Posts MigrationsReverted, with all that are reverted then, earlier ones too. Posts nothing when
  // the leader's epoch is another one than this by then: nothing more was done.
  void revert(const rules::RevertMigrations& wanted, std::int64_t epoch);
  // Gives up the script at hand, which is taken back. Nothing is posted any more.
  void stop();
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  struct Run;

  void next(const std::shared_ptr<Run>& run);
  void revert_next(Connection& connection, const std::shared_ptr<Run>& run);
  bool run_script(Connection& connection, Run& run, const std::string& migration);
  void failed(const std::shared_ptr<Run>& run, const SessionFailure& failure);
  void finish(const Run& run, const std::string& failed, const std::string& error);

  RoleOf role_of_;
  Inbox& inbox_;
  Log& log_;
  std::atomic<bool> stopping_{false};
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
