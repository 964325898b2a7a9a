#include "engine/store/snapshots.hpp"

#include <nlohmann/json.hpp>

#include "engine/database/statement.hpp"
#include "engine/rollback_json.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

std::string milliseconds(rules::Duration duration) {
  return std::to_string(duration.count() / 1000);
}

}  // namespace

Snapshots::Snapshots(const ConnectionInfo& info, Inbox& inbox, Log& log, Meter& meter)
    : inbox_{inbox},
      log_{log},
      meter_{meter},
      session_{info, {"snapshots", rules::limits::snapshot_timeout * 2}, log} {}

void Snapshots::take(const rules::TakeSnapshot& wanted) {
  session_.run(
      [this, wanted](Connection& connection) {
        const SteadyTime begun = steady_now();
        const Transaction work = begin(connection);
        work->exec("set local statement_timeout = " +
                   milliseconds(rules::limits::snapshot_timeout));
        const std::string id = work->exec_params("select ops.create_system_snapshot($1::uuid, $2)",
                                                 wanted.deployment.text(),
                                                 std::string{rules::name_of(wanted.type)})[0][0]
                                   .c_str();
        // The samples of the moment it is about, not of the moment it was taken.
        work->exec_params(
            "update ops.system_snapshots"
            " set key_metrics = coalesce(key_metrics, '{}') || $2::jsonb"
            " where snapshot_id = $1::uuid",
            id, json_of(wanted.samples).dump());
        work->commit();
        meter_.observe(Timing::snapshot, rules::in_seconds(steady_now() - begun));
        inbox_.post(rules::SnapshotTaken{wanted.deployment, wanted.type, id, {}});
      },
      [this, wanted](const SessionFailure& failure) {
        meter_.count(Count::snapshots_failed);
        log_.warning("snapshot_failed", {{"deployment_id", wanted.deployment.text()},
                                         {"type", std::string{rules::name_of(wanted.type)}},
                                         {"why", failure.what}});
        inbox_.post(rules::SnapshotTaken{wanted.deployment, wanted.type, {}, failure.what});
      });
}

}  // namespace rollbackd::engine
