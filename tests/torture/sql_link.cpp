#include "tests/torture/sql_link.hpp"

#include <libpq-fe.h>

namespace rollbackd::tests::torture {
namespace {

struct Clearer {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Clearer>;

SqlRows rows_of(const PGresult* result) {
  SqlRows rows(static_cast<std::size_t>(PQntuples(result)));
  for (int row = 0; row < PQntuples(result); ++row) {
    for (int column = 0; column < PQnfields(result); ++column) {
      rows[static_cast<std::size_t>(row)].emplace_back(PQgetvalue(result, row, column));
    }
  }
  return rows;
}

}  // namespace

void SqlLink::Closer::operator()(pg_conn* connection) const { PQfinish(connection); }

void SqlLink::open() {
  if (connection_ != nullptr) {
    return;
  }
  connection_.reset(PQconnectdb(conninfo_.c_str()));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    fail(nullptr);
  }
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
}

void SqlLink::fail(const pg_result* result) {
  const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string sqlstate = state == nullptr ? "" : state;
  const std::string what = PQerrorMessage(connection_.get());
  // 57P01 to 57P03: the server is being stopped, and says so before it hangs up. No state: it is
  // libpq that speaks, and it speaks of the connection.
  const bool lost = PQstatus(connection_.get()) != CONNECTION_OK || sqlstate.empty() ||
                    sqlstate.starts_with("57P0");
  if (lost) {
    close();
  } else {
    while (const Result rest{PQgetResult(connection_.get())}) {
    }
    if (PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) {
      const Result undone{PQexec(connection_.get(), "rollback")};
    }
  }
  throw SqlError{what, sqlstate, lost};
}

SqlRows SqlLink::results() {
  SqlRows rows;
  while (const Result result{PQgetResult(connection_.get())}) {
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
      fail(result.get());
    }
    if (status == PGRES_COPY_IN) {
      return rows;
    }
    rows = rows_of(result.get());
  }
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    fail(nullptr);
  }
  return rows;
}

SqlRows SqlLink::run(const std::string& sql) {
  open();
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1) {
    close();
    throw SqlError{"the connection was lost", "", true};
  }
  return results();
}

std::string SqlLink::value(const std::string& sql) {
  const SqlRows rows = run(sql);
  return rows.empty() || rows[0].empty() ? std::string{} : rows[0][0];
}

void SqlLink::copy(const std::string& statement, const std::string& lines) {
  run(statement);
  if (PQputCopyData(connection_.get(), lines.data(), static_cast<int>(lines.size())) != 1 ||
      PQputCopyEnd(connection_.get(), nullptr) != 1) {
    close();
    throw SqlError{"the connection was lost", "", true};
  }
  results();
}

}  // namespace rollbackd::tests::torture
