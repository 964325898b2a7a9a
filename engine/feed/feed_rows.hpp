#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pqxx/pqxx>

#include "rules/input.hpp"

namespace rollbackd::engine {

// Rows that count nowhere now, by why.
struct ToldApart {
  std::uint64_t untimed = 0;  // a null or infinite timestamp
  std::uint64_t early = 0;    // more than a minute ahead: they wait for their time
  std::uint64_t far = 0;      // of these, too far ahead to be kept
  std::uint64_t unknown = 0;  // of a deployment that has no row
  std::uint64_t nobodys = 0;  // of a service that has no deployment
  std::optional<rules::Instant> earliest_far;
};

// What one of the statements of feed_sql.hpp has answered.
struct FeedRows {
  std::string snapshot;
  rules::Instant at;
  std::string logs;  // version of the watched logs
  std::vector<rules::EventGroup> events;
  std::vector<std::pair<rules::Service, rules::EventGroup>> recounted;  // whose, and what
  std::vector<rules::AuditGroup> audited;
  std::vector<std::pair<std::string, std::uint64_t>> foreign;  // by log
  std::vector<std::pair<std::string, std::string>> unwatched;  // log and severity
  std::vector<rules::Deployment> deployments;
  bool deployments_changed = false;  // and they are not told here
  ToldApart told_apart;
  std::uint64_t skipped = 0;  // deployments that cannot be read as ones
};

// Throws std::runtime_error where the answer is none of ours.
FeedRows read_feed_rows(const pqxx::result& result);

}  // namespace rollbackd::engine
