#pragma once

#include <string>
#include <vector>

#include <pqxx/pqxx>

#include "rules/input.hpp"

namespace rollbackd::engine {

inline constexpr int control_columns = 10;

// What the question of ControlReader is answered with.
struct ControlRow {
  rules::Pause pause;
  std::vector<rules::Breaker> breakers;
  std::string leader;  // empty: nobody yet
  // What has the mark that was sent along is not told again.
  std::string migrations_mark;
  std::vector<rules::Migration> migrations;
  std::string alerts_mark;
  std::vector<rules::FiringAlert> alerts;
};

// REQUIRES: control_columns. Throws what libpqxx or the JSON library throw about a row that is not
// as the statement makes it.
ControlRow read_control_row(const pqxx::row& row);

}  // namespace rollbackd::engine
