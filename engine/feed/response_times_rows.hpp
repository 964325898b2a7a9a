#pragma once

#include <cstdint>
#include <string>

#include <pqxx/pqxx>

#include "rules/input.hpp"

namespace rollbackd::engine {

struct ResponseTimesCounts {
  std::uint64_t taken = 0;
  std::uint64_t left_out = 0;
  std::uint64_t unattributed = 0;
};

// What one of the statements of response_times_sql.hpp has answered.
struct ResponseTimesRows {
  rules::ResponseTimesRead input;
  std::string snapshot;
  ResponseTimesCounts seen;   // by the statement
  ResponseTimesCounts fresh;  // that were not there before; not told by the rows
};

// Throws std::exception where the answer is none of ours.
ResponseTimesRows read_response_times(const pqxx::result& result);

}  // namespace rollbackd::engine
