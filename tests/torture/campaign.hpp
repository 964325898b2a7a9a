#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/postgres.hpp"
#include "tests/support/tcp_proxy.hpp"
#include "tests/torture/faults.hpp"
#include "tests/torture/gate.hpp"
#include "tests/torture/oracle.hpp"
#include "tests/torture/target.hpp"
#include "tests/torture/writers.hpp"

namespace rollbackd::tests::torture {

struct CampaignOptions {
  std::uint64_t seed = 1;
  // It ends when all three are reached.
  std::int64_t events = 10'000'000;
  int interruptions = 2'000;
  double seconds = 0;
  double right_within = 15;  // seconds after everything is healed
  double memory_max_mib = 128;
  bool two_phase = false;
  bool removals = true;
};

// What was seen, for the last line.
struct CampaignReport {
  double seconds = 0;
  std::int64_t events = 0;  // committed, by the books
  int quiet_points = 0;
  std::int64_t comparisons = 0;  // one deployment, two windows each
  std::int64_t plain_comparisons = 0;
  double rebuilds = 0;  // as the daemon counts them
  double told = 0;      // events that came as a difference
  std::vector<double> times_to_be_right;
  double memory_peak_mib = 0;
  // Where the time went: chaos, until all writers had finished, until the tables were looked at.
  double in_chaos = 0;
  double finishing = 0;
  double looking = 0;
};

// Chaos, then quiet, again and again: at each quiet point the daemon's memory has to equal the
// tables, for every deployment.
class Campaign {
 public:
  explicit Campaign(const CampaignOptions& options);
  ~Campaign();
  Campaign(const Campaign&) = delete;
  Campaign& operator=(const Campaign&) = delete;

  // Prints how it goes. False: something did not hold, and what is printed.
  bool run();

 private:
  using Clock = std::chrono::steady_clock;

  void prepare();
  [[nodiscard]] bool is_done() const;
  void chaos();
  // Interruptions that last end meanwhile, when it is time.
  void wait_until(Clock::time_point moment);
  bool quiet_point();
  bool look_at_quiet_point();
  // What the daemon says again and again while the tables are looked at.
  struct Sample {
    Clock::time_point at;
    std::vector<Told> told;
  };
  Oracle look_meanwhile(std::vector<Sample>& samples);
  // When it was right for good; nothing: it is not within the limit.
  std::optional<Clock::time_point> become_right(const Oracle& oracle,
                                                const std::vector<Sample>& samples,
                                                std::vector<Told>& told, std::string& objection);
  bool look_at_metrics();
  bool compare_plainly(const std::vector<Told>& told);
  bool close_the_books();
  bool fail(const std::string& what);
  void explain_first(const Oracle& oracle, const std::vector<Told>& told);
  void explain(const std::string& deployment);
  void say_progress();
  void say_report(bool held) const;
  [[nodiscard]] double elapsed() const;

  CampaignOptions options_;
  Random random_;
  Postgres postgres_;
  TcpProxy proxy_;
  Gate gate_;
  SqlLink link_;
  bool with_other_log_ = false;
  std::unique_ptr<Target> target_;
  std::unique_ptr<Faults> faults_;
  std::unique_ptr<Writers> writers_;
  CampaignReport report_;
  std::map<std::string, double> counters_;  // of the daemon's present life
  Clock::time_point begin_ = Clock::now();
  Clock::time_point said_ = Clock::now();
  std::int64_t rows_in_windows_ = 0;
  std::vector<std::string> deployments_;  // as of the last quiet point
};

}  // namespace rollbackd::tests::torture
