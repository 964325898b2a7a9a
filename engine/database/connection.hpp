#pragma once

#include <memory>
#include <set>
#include <string>

#include <pqxx/pqxx>

namespace rollbackd::engine {

// A connection that, once lost, stays lost (libpqxx 6 by itself opens a lost one anew inside the
// next statement, without its locks and LISTENs), and that knows whether it is one to a server.
class Connection : public pqxx::connection {
 public:
  // Connects. Throws pqxx::broken_connection.
  explicit Connection(const std::string& conninfo);
  // Asks for what is_pooled() says; until then it is not.
  void look_for_pooler();

  // Whether a pooler is in between, in whatever mode. Then the server's session may be another one
  // with each transaction and other clients use it, too: no SET, no prepared statement, no session
  // lock, no LISTEN. statement.hpp has what to do instead.
  [[nodiscard]] bool is_pooled() const { return pooled_; }

  // Makes the name known for exec_prepared(), once. REQUIRES: not pooled.
  void prepare_once(const std::string& name, const std::string& sql);

 private:
  bool pooled_ = false;
  std::set<std::string> prepared_;
};

// One that has looked for a pooler.
std::unique_ptr<Connection> open_connection(const std::string& conninfo);

// The SQLSTATE of a failure; libpqxx 6 forgets it for some classes. Empty: the server said none.
std::string sqlstate_of(const pqxx::failure& failure);

}  // namespace rollbackd::engine
