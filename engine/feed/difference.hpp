#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <pqxx/pqxx>

#include "engine/clock.hpp"
#include "engine/database/connection.hpp"
#include "engine/feed/feed_rows.hpp"
#include "engine/feed/feed_sql.hpp"
#include "rules/input.hpp"

namespace rollbackd::engine {

// What one look at the database gave.
struct Looked {
  std::variant<rules::FeedBatch, rules::FeedRebuilt> input;
  rules::Look look = 0;
  std::string snapshot;     // that it saw
  std::string server;       // whose, see server_identity()
  std::string events;       // the query of the watched logs that it asked
  std::uint64_t count = 0;  // events: new ones, or all of a rebuild
  rules::Instant newest{};  // of them
  ToldApart told_apart;
  std::uint64_t rows_skipped = 0;
  rules::Instant told;  // the database's time, between these two moments
  SteadyTime asked;
  SteadyTime answered;
};

// Every committed row exactly once: a look fetches what is visible now and was not in the snapshot
// of the look before (PgQ's method). Belongs to one session; used from its thread only. Database
// errors come as libpqxx's exceptions; the look after one starts from the same snapshot, so nothing
// is lost.
class Difference {
 public:
  // `longest`: of the windows.
  explicit Difference(rules::Second longest) : longest_{longest} {}

  // The next look is on this connection, which is new.
  void connected(Connection& connection);
  // The next look rebuilds, for this reason. Statements are prepared anew.
  void forget(const std::string& why);

  // A query that takes longer than `patience` is cancelled.
  Looked look(Connection& connection, rules::Duration patience);

 private:
  void prepare(Connection& connection);
  [[nodiscard]] FeedRows ask(Connection& connection, rules::Duration patience) const;
  void note_boundaries(const std::vector<rules::Deployment>& deployments, rules::Instant now);
  void note_what_changes(const FeedRows& rows);
  [[nodiscard]] std::string boundaries_array() const;

  rules::Second longest_;
  std::string why_;       // of the next rebuild
  std::string snapshot_;  // pg_snapshot as text; empty: nothing is known
  rules::Look last_ = 0;
  std::string server_;  // its identity
  std::string events_;  // the query of the watched logs
  std::string logs_;    // their version
  std::optional<FeedSql> sql_;
  std::string poll_;  // the name of its prepared statement
  int prepared_ = 0;
  rules::Duration patience_{0};  // as the connection knows it
  std::map<rules::DeploymentId, std::vector<rules::Instant>> boundaries_;
  std::optional<rules::Instant> earliest_far_;
  rules::Instant newest_{};  // that the server's clock has said
};

}  // namespace rollbackd::engine
