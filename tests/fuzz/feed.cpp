// Rows that the daemon reads from the database. Input: rows of the feed's polls and recounts, of
// the response times, of what may forbid to act, whichever they are.

#include <exception>
#include <numeric>

#include "engine/feed/feed_rows.hpp"
#include "engine/feed/response_times_rows.hpp"
#include "engine/store/control_rows.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/rows.hpp"

namespace rollbackd::fuzz {
namespace {

constexpr int feed_columns = 17;
constexpr int response_times_columns = 6;

// What cannot be read is an exception of the kind that the session of the feed takes for a failure.
template <class Read>
void try_to(Read read) {
  try {
    read();
  } catch (const std::exception& error) {
    INVARIANT(*error.what() != '\0');
  }
}

void run(std::string_view input) {
  try_to([&] {
    const auto rows = rows_in(input, feed_columns);
    const engine::FeedRows read = engine::read_feed_rows(rows);
    INVARIANT(read.events.size() + read.recounted.size() + read.audited.size() +
                  read.foreign.size() + read.unwatched.size() + read.deployments.size() +
                  read.skipped <=
              static_cast<std::size_t>(rows.size()));
    for (const rules::EventGroup& group : read.events) {
      INVARIANT(group.seconds.size() <= input.size());
    }
  });
  try_to([&] {
    const auto read = engine::read_response_times(rows_in(input, response_times_columns));
    for (const rules::DurationGroup& group : read.input.groups) {
      INVARIANT(group.cells.size() <= input.size());
    }
  });
  try_to([&] {
    const auto rows = rows_in(input, engine::control_columns);
    if (!rows.empty()) {
      const engine::ControlRow read = engine::read_control_row(rows[0]);
      INVARIANT(read.breakers.size() + read.migrations.size() + read.alerts.size() <= input.size());
      INVARIANT(rows[0][3].is_null() || read.pause.since);
    }
  });
}

const Registered target{{"feed", run}};

}  // namespace
}  // namespace rollbackd::fuzz
