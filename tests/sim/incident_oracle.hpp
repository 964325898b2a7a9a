#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rules/output.hpp"
#include "tests/support/sim_database.hpp"

namespace rollbackd::tests {

// What every AbortRequest of an incident calls itself, and nothing else does.
inline constexpr rules::RequestId abort_request = 3;

// Holds one incident against what always holds (DESIGN.md section 9), by what is in the tables and
// what was really dispatched. Keeps the first finding.
class IncidentOracle {
 public:
  IncidentOracle(const SimDatabase& database, bool is_calm)
      : database_{database}, is_calm_{is_calm} {}

  // A transaction is handed over by who leads, whose last look at ops.control was this one;
  // `fresh`: it came in this moment, read after it was last asked for.
  void on_write(const rules::Commit& commit, const rules::ControlRead& looked, bool fresh,
                rules::Instant now);
  // What the rules say before it is handed over.
  void on_output(const rules::Output& output, rules::Instant now);
  // It is committed: the tables have it.
  void on_commit(const rules::Commit& commit, rules::Instant now);
  // A request leaves, or a process starts. `certain_no`: it did nothing, and says so.
  void on_dispatch(const rules::Deploy& deploy, bool certain_no, rules::Instant now);
  // Everything has come to rest.
  void at_the_end(rules::Instant now);

  void find(const std::string& what, rules::Instant now);
  [[nodiscard]] const std::string& finding() const { return finding_; }

 private:
  struct Dispatched {
    rules::EventId event;
    int claims = 0;        // of the last one
    bool may_run = false;  // one of them was no certain no
  };

  void look_at_beginning(const rules::Rollback& rollback, rules::Instant now);
  void look_at_claim(const rules::Rollback& rollback, const rules::ControlRead& looked, bool fresh,
                     rules::Instant now);
  void look_at_threshold(const rules::Rollback& rollback, rules::Instant now);
  void look_at_rows(const rules::Rollback& rollback, rules::Instant now);
  [[nodiscard]] Dispatched& dispatched(const rules::EventId& event);

  const SimDatabase& database_;
  bool is_calm_;
  std::string finding_;
  std::vector<Dispatched> dispatched_;
};

}  // namespace rollbackd::tests
