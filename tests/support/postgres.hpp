#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pqxx/pqxx>

namespace rollbackd::tests {

// What a private server differs in from the defaults.
struct PostgresOptions {
  std::vector<std::pair<std::string, std::string>>
      settings;      // names and values as in postgresql.conf
  bool tcp = false;  // also listen on a free port of 127.0.0.1
  std::vector<std::pair<std::string, std::string>> environment{};  // variables of the server's own
  bool own_initdb = false;  // a system identifier of its own; otherwise all share the template's
};

// A PostgreSQL server of its own per object: superuser `postgres`, empty database `app`, trust
// everywhere, nothing durable. All of a process live in one folder under the temporary directory,
// and a helper process stops and removes what is left there when the process ends, however it ends.
// Not thread safe; the servers are.
class Postgres {
 public:
  // Starts the server; throws std::runtime_error with its log when that fails.
  explicit Postgres(PostgresOptions options = {});
  // Stops it at once (immediate mode). Prints the end of its log if the test at hand failed, see
  // test_failed and postgres_listener.hpp.
  ~Postgres();
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  // A streaming standby of this server, by pg_basebackup, with a socket of its own.
  [[nodiscard]] std::unique_ptr<Postgres> make_standby() const;
  void promote();

  // Over the unix socket, which is the private one of this server.
  [[nodiscard]] std::string conninfo(std::string_view user = "postgres",
                                     std::string_view database = "app") const;
  // REQUIRES: options.tcp.
  [[nodiscard]] std::string tcp_conninfo(std::string_view user = "postgres",
                                         std::string_view database = "app") const;

  // Each returns when it is done. stop() breaks the connections (fast mode) and writes a
  // checkpoint; crash() does not, as after a power cut. Both may be called on a stopped server.
  void stop();
  void crash();
  void start();
  void restart();

  [[nodiscard]] int pid() const;  // the postmaster's, 0 when stopped
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] std::filesystem::path data_directory() const { return directory_ / "data"; }
  [[nodiscard]] std::string log_tail(std::size_t lines = 50) const;
  [[nodiscard]] static std::filesystem::path bindir();

 private:
  struct Unmade {};
  explicit Postgres(Unmade unmade);
  void configure(const PostgresOptions& options) const;
  [[nodiscard]] int pg_ctl(const std::vector<std::string>& arguments) const;

  std::filesystem::path directory_;
  std::vector<std::pair<std::string, std::string>> environment_;
  int port_ = 5432;
};

// Whether an assertion of the running test failed; postgres_listener.hpp keeps it up to date.
inline std::atomic<bool> test_failed{false};

// A connection that, once lost, stays lost (libpqxx 6 would open another one by itself).
std::unique_ptr<pqxx::connection> connect(const std::string& conninfo);

// Runs SQL on a connection of its own, outside a transaction block. Several statements in one
// string are one transaction. query() gives the first field of the first row as text, empty for
// null and for no row.
pqxx::result rows(const std::string& conninfo, const std::string& sql);
std::string query(const std::string& conninfo, const std::string& sql);

// The same on a connection that is already there.
pqxx::result rows(pqxx::connection& connection, const std::string& sql);
std::string query(pqxx::connection& connection, const std::string& sql);

}  // namespace rollbackd::tests
