#include "engine/feed/feed_rows.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>

#include "engine/feed/fields.hpp"

namespace rollbackd::engine {
namespace {

std::optional<rules::Instant> optional_instant(const pqxx::field& microseconds) {
  return microseconds.is_null() ? std::nullopt : std::optional{instant(microseconds)};
}

// "1765800000:3 1765800001:1"
std::vector<rules::SecondCount> seconds_of(std::string_view text) {
  std::vector<rules::SecondCount> seconds;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    rules::SecondCount second;
    const auto whole = std::from_chars(at, end, second.at);
    if (whole.ec != std::errc{} || whole.ptr == end || *whole.ptr != ':') {
      throw std::runtime_error{"the feed cannot read its own query's seconds"};
    }
    const auto count = std::from_chars(whole.ptr + 1, end, second.n);
    if (count.ec != std::errc{} || (count.ptr != end && *count.ptr != ' ')) {
      throw std::runtime_error{"the feed cannot read its own query's counts"};
    }
    seconds.push_back(second);
    at = count.ptr == end ? end : count.ptr + 1;
  }
  return seconds;
}

rules::EventGroup event_of(const pqxx::row& row) {
  return {optional_id(row[1]), service_of(row[2], row[3]), instant(row[4]),
          seconds_of({row[5].c_str(), row[5].size()})};
}

rules::AuditGroup audit_of(const pqxx::row& row) {
  return {optional_id(row[1]),        service_of(row[2], row[3]), instant(row[4]),
          row[5].as<std::uint64_t>(), row[6].as<std::uint64_t>(), row[7].as<std::uint64_t>()};
}

ToldApart told_apart_of(const pqxx::row& row) {
  return {row[1].as<std::uint64_t>(), row[2].as<std::uint64_t>(), row[3].as<std::uint64_t>(),
          row[4].as<std::uint64_t>(), row[5].as<std::uint64_t>(), optional_instant(row[6])};
}

// Nothing: the row has a status that we do not know.
std::optional<rules::Deployment> deployment_of(const pqxx::row& row) {
  const auto id = optional_id(row[1]);
  const auto status = rules::deployment_status_named(row[8].c_str());
  if (!id || !status) {
    return std::nullopt;
  }
  rules::Deployment d;
  d.id = *id;
  d.service = service_of(row[2], row[3]);
  d.deployed_at = optional_instant(row[4]);
  d.row = row[5].as<std::int64_t>();
  d.version = row[6].as<std::string>("");
  d.git_commit = row[7].as<std::string>("");
  d.status = *status;
  d.completed_at = optional_instant(row[9]);
  d.rollback_from = optional_id(row[10]);
  d.health_check_passed = row[11].as<bool>();
  d.seen = row[12].as<bool>();
  d.announced = row[13].as<bool>();
  d.rollback_dispatched = row[14].as<bool>();
  if (!row[15].is_null()) {
    d.utilisation_at_arrival = row[15].as<double>();
  }
  if (!row[16].is_null()) {
    d.previous_unhealthy = row[16].as<bool>();
  }
  return d;
}

void read_deployment(const pqxx::row& row, FeedRows& rows) {
  if (auto deployment = deployment_of(row)) {
    rows.deployments.push_back(std::move(*deployment));
  } else {
    ++rows.skipped;
  }
}

}  // namespace

FeedRows read_feed_rows(const pqxx::result& result) {
  FeedRows rows;
  for (const pqxx::row& row : result) {
    switch (row[0].c_str()[0]) {
      case 's':
        rows.snapshot = row[1].c_str();
        rows.at = instant(row[4]);
        rows.logs = row[5].c_str();
        break;
      case 'e':
        rows.events.push_back(event_of(row));
        break;
      case 'r':
        rows.recounted.emplace_back(service_of(row[6], row[7]), event_of(row));
        break;
      case 'a':
        rows.audited.push_back(audit_of(row));
        break;
      case 'f':
        rows.foreign.emplace_back(row[1].c_str(), row[2].as<std::uint64_t>());
        break;
      case 'n':
        rows.deployments_changed = true;
        break;
      case 'u':
        rows.unwatched.emplace_back(row[1].c_str(), row[2].c_str());
        break;
      case 'c':
        rows.told_apart = told_apart_of(row);
        break;
      default:
        read_deployment(row, rows);
    }
  }
  return rows;
}

}  // namespace rollbackd::engine
