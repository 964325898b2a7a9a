#pragma once

#include <cstdint>
#include <string>

#include "tests/support/random.hpp"
#include "tests/torture/world.hpp"

namespace rollbackd::tests::torture {

// A table that is watched: its name, and its columns in this order: time, severity, message,
// environment, service, deployment. `errors` are the severities that count.
struct LogTable {
  std::string name;
  std::string columns;
  std::string errors;
  std::string error;
  std::string critical;
  std::string info;
  bool null_times = false;
};

const LogTable& own_log();
// One that is not ours: its own names and severities, partitioned, and times may be null.
const LogTable& other_log();
// Creates it.
std::string other_log_ddl();
// ops.watch_error_log() for it.
std::string watch_other_log();

// SQL that adds rows, and how many of them are events.
struct Insertion {
  std::string sql;
  std::int64_t events = 0;
};

// Invents rows: of any service, with, without and with unknown deployments, of now, late, ahead,
// and of no usable time.
class Rows {
 public:
  Rows(Random& random, World& world, bool with_other_log)
      : random_{random}, world_{world}, with_other_log_{with_other_log} {}

  // n rows, each its own; one in ten is none that counts.
  Insertion some(int n);
  Insertion infos(int n);
  // n rows of one kind, made by the server. Most are nearly too old to count, so that the window
  // does not grow with the length of the campaign.
  Insertion bulk(int n);
  // The lines of a COPY into own_log(); its statement is copy_statement().
  Insertion copy_lines(int n);
  static std::string copy_statement();

 private:
  const LogTable& table();
  std::string time(const LogTable& table);
  std::string deployment();

  Random& random_;
  World& world_;
  bool with_other_log_;
};

}  // namespace rollbackd::tests::torture
