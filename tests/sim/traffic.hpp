#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/random.hpp"
#include "tests/support/sim_world.hpp"

namespace rollbackd::tests {

// How a version behaves while it runs.
struct Quality {
  double errors_per_minute = 0;
  bool is_flapping = false;  // twenty seconds on, forty off
};

// One service: what really runs, what it logs, and the pipeline that deploys it. What runs is
// changed by a deploy of the pipeline, and by one of the daemon's executor that succeeds.
class Traffic {
 public:
  Traffic(SimWorld& world, Random& random, rules::Service service, bool is_calm);

  // The next thing the pipeline does: a new row, or the next status of an unfinished one.
  void deploy();
  void advance_pipeline();
  void finish_pipeline();
  // The errors of the seconds since the last call.
  void log_errors(rules::Duration since);
  // A change of what really runs.
  void run(const std::string& version) { running_ = version; }
  // Something else than the version is broken: errors come whatever runs.
  void set_weather(double errors_per_minute) { weather_ = errors_per_minute; }
  void calm_down();

  [[nodiscard]] const rules::Service& service() const { return service_; }
  [[nodiscard]] const std::vector<rules::DeploymentId>& rows() const { return rows_; }

 private:
  struct Unfinished {
    rules::DeploymentId id;
    std::string version;
    std::vector<rules::DeploymentStatus> next;
  };

  [[nodiscard]] Quality some_quality();
  [[nodiscard]] rules::Instant some_timestamp();

  SimWorld& world_;
  Random& random_;
  rules::Service service_;
  bool is_calm_;
  int versions_ = 0;
  std::map<std::string, Quality> qualities_;
  std::string running_;
  double weather_ = 0;
  double owed_ = 0;  // of an error
  std::vector<rules::DeploymentId> rows_;
  std::vector<Unfinished> unfinished_;
};

}  // namespace rollbackd::tests
