#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include <pqxx/pqxx>

#include "engine/clock.hpp"
#include "rules/input.hpp"

namespace rollbackd::engine {

// What one look at the database gave.
struct Polled {
  std::variant<rules::FeedBatch, rules::FeedRebuilt> input;
  std::uint64_t events = 0;        // that were not there before
  rules::Instant newest{};         // of them
  std::size_t recounts = 0;        // windows counted anew: of services, or once of all
  std::uint64_t rows_skipped = 0;  // deployments that cannot be read as ones
  rules::Instant told;             // the database's time, between these two moments
  SteadyTime asked;
  SteadyTime answered;
};

// Every committed row exactly once: a poll fetches what is visible now and was not in the snapshot
// of the poll before (PgQ's method). Belongs to one connection; used from its thread only. Database
// errors come as libpqxx's exceptions; the poll after one starts from the same snapshot, so nothing
// is lost.
class Difference {
 public:
  // Call on every new connection.
  void prepare(pqxx::connection& connection);
  // The next poll rebuilds.
  void forget() { snapshot_.clear(); }

  // Rebuilds when nothing is known. Otherwise the difference, with these services counted anew;
  // with none, `audit` counts all rows once more.
  Polled poll(pqxx::connection& connection, const std::vector<rules::Service>& rebuild, bool audit);

 private:
  void note_boundaries(const std::vector<rules::Deployment>& deployments, rules::Instant now);
  [[nodiscard]] std::string boundaries_array() const;

  std::string snapshot_;  // pg_snapshot as text; empty: nothing is known
  std::map<rules::DeploymentId, std::vector<rules::Instant>> boundaries_;
  bool rebuilt_before_ = false;
};

}  // namespace rollbackd::engine
