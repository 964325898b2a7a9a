#pragma once

#include <string>
#include <string_view>

#include "tests/support/free_port.hpp"
#include "tests/support/postgres.hpp"

namespace rollbackd::tests {

// A pgbouncer of its own in front of a server, on a free port of 127.0.0.1, for the roles postgres
// and rollbackd without passwords. Ends with the object, or with the test program.
class PgBouncer {
 public:
  // `pool_mode`: session or transaction. Returns when it answers.
  PgBouncer(const Postgres& postgres, std::string_view pool_mode, int pool_size = 6);
  ~PgBouncer();
  PgBouncer(const PgBouncer&) = delete;
  PgBouncer& operator=(const PgBouncer&) = delete;

  [[nodiscard]] std::string conninfo(std::string_view user = "rollbackd") const;

 private:
  int port_ = free_port();
  int pid_ = 0;
};

}  // namespace rollbackd::tests
