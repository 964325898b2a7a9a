#pragma once

#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Takes system snapshots on a session of its own, where a slow one delays nothing else. Any thread.
class Snapshots {
 public:
  Snapshots(const ConnectionInfo& info, Inbox& inbox, Log& log, Meter& meter);

  // Posts SnapshotTaken, after limits::snapshot_timeout at the latest with an error.
  void take(const rules::TakeSnapshot& wanted);
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  Inbox& inbox_;
  Log& log_;
  Meter& meter_;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
