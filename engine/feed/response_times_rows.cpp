#include "engine/feed/response_times_rows.hpp"

#include <charconv>
#include <string_view>

#include "engine/feed/fields.hpp"

namespace rollbackd::engine {
namespace {

// "slice bin count slice bin count …", as our own statement writes it.
std::vector<rules::DurationCell> cells_of(std::string_view text) {
  std::vector<rules::DurationCell> cells;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&at, end](auto& into) {
    at = std::from_chars(at, end, into).ptr;
    at += at == end ? 0 : 1;
  };
  while (at != end) {
    rules::DurationCell& cell = cells.emplace_back();
    number(cell.slice);
    number(cell.bin);
    number(cell.count);
  }
  return cells;
}

}  // namespace

ResponseTimesRows read_response_times(const pqxx::result& result) {
  ResponseTimesRows reading;
  std::uint64_t sent = 0;
  for (const pqxx::row& row : result) {
    if (row[0].c_str()[0] == 's') {
      reading.snapshot = row[1].c_str();
      reading.input.as_of = instant(row[2]);
      reading.seen = {row[3].as<std::uint64_t>(), row[4].as<std::uint64_t>(),
                      row[5].as<std::uint64_t>()};
      continue;
    }
    rules::DurationGroup& group = reading.input.groups.emplace_back();
    group.deployment = optional_id(row[1]);
    group.service = service_of(row[2], row[3]);
    group.at = instant(row[4]);
    group.cells = cells_of({row[5].c_str(), row[5].size()});
    for (const rules::DurationCell& cell : group.cells) {
      sent += cell.count;
    }
  }
  reading.input.not_sent = reading.seen.taken - reading.seen.unattributed - sent;
  return reading;
}

}  // namespace rollbackd::engine
