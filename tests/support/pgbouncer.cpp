#include "tests/support/pgbouncer.hpp"

#include <csignal>
#include <fstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/daemon.hpp"

namespace rollbackd::tests {
namespace {

namespace fs = std::filesystem;

// `./dev setup` takes it out of its package into build/tools.
fs::path program() {
  for (const fs::path& folder :
       {fs::path{ROLLBACKD_SOURCE_DIR} / "build/tools", fs::path{"/usr/sbin"}}) {
    if (fs::exists(folder / "pgbouncer")) {
      return folder / "pgbouncer";
    }
  }
  throw std::runtime_error{"there is no pgbouncer: ./dev setup"};
}

}  // namespace

PgBouncer::PgBouncer(const Postgres& postgres, std::string_view pool_mode, int pool_size) {
  const fs::path name = postgres.directory() / ("pgbouncer-" + std::to_string(port_));
  const fs::path users = name.string() + ".users";
  const fs::path ini = name.string() + ".ini";
  std::ofstream{users} << "\"postgres\" \"\"\n\"rollbackd\" \"\"\n";
  std::ofstream{ini} << "[databases]\napp = host=" << postgres.directory().string()
                     << " port=" << postgres.port() << " dbname=app\n[pgbouncer]\n"
                     << "listen_addr = 127.0.0.1\nlisten_port = " << port_
                     << "\nunix_socket_dir =\nauth_type = trust\nauth_file = " << users.string()
                     << "\npool_mode = " << pool_mode << "\ndefault_pool_size = " << pool_size
                     << "\nmax_client_conn = 200\n";
  std::vector<std::string> argv{"/usr/bin/setpriv", "--pdeathsig", "KILL"};
  if (::geteuid() == 0) {  // it refuses to run as root
    argv.insert(argv.end(), {"--reuid", "postgres", "--regid", "postgres", "--clear-groups"});
  }
  argv.insert(argv.end(), {program(), ini});
  pid_ = start_program(argv, name.string() + ".log");
  eventually("pgbouncer to answer", 60, [&] {
    try {
      return query(conninfo("postgres"), "select 1") == "1";
    } catch (const pqxx::broken_connection&) {
      return false;
    }
  });
}

PgBouncer::~PgBouncer() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string PgBouncer::conninfo(std::string_view user) const {
  return "host=127.0.0.1 port=" + std::to_string(port_) +
         " dbname=app sslmode=disable user=" + std::string{user};
}

}  // namespace rollbackd::tests
