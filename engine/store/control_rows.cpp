#include "engine/store/control_rows.hpp"

#include <nlohmann/json.hpp>

namespace rollbackd::engine {
namespace {

using nlohmann::json;

std::optional<rules::Instant> instant_of(const json& microseconds) {
  return microseconds.is_number_integer()
             ? std::optional{rules::Instant{rules::Duration{microseconds.get<std::int64_t>()}}}
             : std::nullopt;
}

std::string text_of(const json& text) { return text.is_string() ? text.get<std::string>() : ""; }

std::vector<rules::Breaker> breakers_of(const pqxx::field& rows) {
  std::vector<rules::Breaker> breakers;
  if (!rows.is_null()) {
    for (const json& row : json::parse(rows.c_str())) {
      breakers.push_back({text_of(row.at(0)), text_of(row.at(1)),
                          instant_of(row.at(2)).value_or(rules::Instant{})});
    }
  }
  return breakers;
}

std::vector<rules::Migration> migrations_of(const pqxx::field& rows) {
  std::vector<rules::Migration> migrations;
  if (!rows.is_null()) {
    for (const json& row : json::parse(rows.c_str())) {
      migrations.push_back({text_of(row.at(0)), rules::DeploymentId::parse(text_of(row.at(1))),
                            instant_of(row.at(2)), row.at(3).get<bool>(), row.at(4).get<bool>(),
                            row.at(5).get<bool>()});
    }
  }
  return migrations;
}

std::vector<rules::FiringAlert> alerts_of(const pqxx::field& rows) {
  std::vector<rules::FiringAlert> alerts;
  if (!rows.is_null()) {
    for (const json& row : json::parse(rows.c_str())) {
      alerts.push_back({{text_of(row.at(0)), text_of(row.at(1))},
                        text_of(row.at(2)),
                        instant_of(row.at(3)).value_or(rules::Instant{})});
    }
  }
  return alerts;
}

}  // namespace

ControlRow read_control_row(const pqxx::row& row) {
  ControlRow read;
  read.pause = {row[0].as<bool>(), row[1].as<std::string>(""), row[2].as<std::string>(""), {}};
  if (!row[3].is_null()) {
    read.pause.since = rules::Instant{rules::Duration{row[3].as<std::int64_t>()}};
  }
  read.breakers = breakers_of(row[4]);
  read.leader = row[5].as<std::string>("");
  read.migrations_mark = row[6].c_str();
  read.migrations = migrations_of(row[7]);
  read.alerts_mark = row[8].c_str();
  read.alerts = alerts_of(row[9]);
  return read;
}

}  // namespace rollbackd::engine
