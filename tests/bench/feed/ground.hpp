#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tests/bench/feed/report.hpp"
#include "tests/bench/feed/writers.hpp"
#include "tests/support/checked_health.hpp"
#include "tests/support/stage.hpp"

namespace rollbackd::tests {

enum class Disk {
  none,   // fsync = off: where the disk is not what is asked about
  plain,  // the machine's own
  slow,   // every flush takes a millisecond, see slow_flush.cpp
};

// What /check said, and when.
struct Sample {
  Steady::time_point at;
  CheckedHealth health;
};

// How long after a moment the memory was right.
struct Parity {
  std::optional<Seconds> after;  // nothing: not within the patience
  bool stayed = false;           // and so was every answer after that
  std::string memory;            // the last counts
  std::string sql;
};

// A server with our schema and the daemon attached, and beside ops.system_logs its twins:
// bench.untouched (its columns without xid, the primary key only), bench.disabled (all its columns
// and indexes, its triggers disabled) and bench.naive (the same with a trigger that notifies with
// every row that counts).
class Ground {
 public:
  // `more`: lines of the daemon's configuration.
  Ground(Disk disk, const std::string& more);

  Stage& stage() { return *stage_; }
  [[nodiscard]] std::string conninfo() { return stage_->postgres().conninfo(); }
  void make_twins();
  // Adds a service with a deployment of two hours ago that there is nothing to go back to from, and
  // waits until the daemon knows it. Gives its deployment_id.
  std::string add_service(const std::string& service);
  void wait_until_known(const std::string& deployment_id);

  // Compares /check with a count of the rows, again and again from now on, and gives the time from
  // `since` to the first answer that is right. Only for a service whose rows all belong to one
  // deployment and to which none is added meanwhile.
  Parity parity(const std::string& deployment_id, const std::string& service,
                Steady::time_point since, Seconds patience = Seconds{20});
  std::optional<Sample> sample(const std::string& deployment_id);

  // The value of a metric without labels.
  double metric(const std::string& name);
  // Of the daemon, from /proc, in MiB: "VmRSS" or "VmHWM".
  double memory(const std::string& what);
  void forget_memory_peak();
  Seconds processor_time();

 private:
  std::unique_ptr<Stage> stage_;
};

// Runs this part of the benchmark on a ground of its own. A part that breaks off is an aim missed,
// and those after it are run all the same.
void on_ground(Report& report, Disk disk, const std::function<void(Ground&)>& part,
               const std::string& more = "");

// "error" or "info" rows, so many with each commit, of the service `storm`.
std::string insert_into(const std::string& table, const std::string& severity, int rows_a_commit);

// Lets a moment pass while other processes work.
void wait_for(Seconds length);

}  // namespace rollbackd::tests
