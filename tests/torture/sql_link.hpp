#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

struct pg_conn;
struct pg_result;

namespace rollbackd::tests::torture {

// A statement that the server refused, or a connection that could not be had or is gone.
struct SqlError : std::runtime_error {
  SqlError(const std::string& what, std::string state, bool is_lost)
      : std::runtime_error{what}, sqlstate{std::move(state)}, lost{is_lost} {}

  std::string sqlstate;
  bool lost;  // what the connection was doing may or may not have happened
};

using SqlRows = std::vector<std::vector<std::string>>;  // null is an empty text

// A connection as a writer has one: opened when it is needed, thrown away when it breaks, opened
// again with the next statement. One thread at a time.
class SqlLink {
 public:
  explicit SqlLink(std::string conninfo) : conninfo_{std::move(conninfo)} {}

  // Several statements may be one text; the rows are the last one's. A statement that fails throws
  // an SqlError, and an open transaction is then rolled back.
  SqlRows run(const std::string& sql);
  // The first field of the first row; empty: null, or no row.
  std::string value(const std::string& sql);
  // COPY … FROM STDIN with these lines.
  void copy(const std::string& statement, const std::string& lines);
  void close() { connection_.reset(); }

 private:
  struct Closer {
    void operator()(pg_conn* connection) const;
  };

  void open();
  SqlRows results();
  [[noreturn]] void fail(const pg_result* result);

  std::string conninfo_;
  std::unique_ptr<pg_conn, Closer> connection_;
};

}  // namespace rollbackd::tests::torture
