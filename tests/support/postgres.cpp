#include "tests/support/postgres.hpp"

#include <cstdlib>
#include <deque>
#include <exception>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <iostream>
#include <iterator>
#include <pwd.h>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/free_port.hpp"

namespace rollbackd::tests {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error{"postgres: " + what}; }

// The account the server runs under: root is refused by it, so root becomes `postgres`.
struct Account {
  uid_t uid;
  gid_t gid;
};

const Account& account() {
  static const Account found = [] {
    if (geteuid() != 0) {
      return Account{geteuid(), getegid()};
    }
    const passwd* entry = getpwnam("postgres");
    if (entry == nullptr) {
      fail("running as root, and there is no account `postgres` to run the server under");
    }
    return Account{entry->pw_uid, entry->pw_gid};
  }();
  return found;
}

void hand_over(const fs::path& path) {
  if (geteuid() == 0 && chown(path.c_str(), account().uid, account().gid) != 0) {
    fail("chown " + path.string());
  }
}

// In the child: nothing of the test program's terminal and descriptors may reach the server. A
// server that holds a captured pipe open would hang whoever waits for its end.
[[noreturn]] void become(const std::vector<std::string>& argv, const fs::path& input,
                         const fs::path& output) {
  setsid();
  const int in = open(input.c_str(), O_RDONLY);
  const int out = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) {
    _exit(126);
  }
  if (geteuid() == 0 &&
      (setgroups(0, nullptr) != 0 || setgid(account().gid) != 0 || setuid(account().uid) != 0)) {
    _exit(126);
  }
  std::vector<char*> raw;
  raw.reserve(argv.size() + 1);
  for (const auto& word : argv) {
    raw.push_back(const_cast<char*>(word.c_str()));
  }
  raw.push_back(nullptr);
  if (chdir("/") == 0) {
    execv(raw.front(), raw.data());
  }
  _exit(127);
}

int run(const std::vector<std::string>& argv, const fs::path& output, const fs::path& input) {
  account();  // getpwnam before the fork: it allocates and locks
  const pid_t child = fork();
  if (child < 0) {
    fail("fork");
  }
  if (child == 0) {
    become(argv, input, output);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      fail("waitpid");
    }
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string read(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// A shell that waits for this process's end, by a pipe only we hold, and then stops every server of
// the folder and removes it. A test that is killed by its time limit leaves nothing behind.
void clean_up_after_us(const fs::path& root) {
  static const std::string script =
      "trap '' INT TERM HUP; cat; n=0; while [ -e \"$0\" ] && [ $n -lt 50 ]; do "
      "for f in \"$0\"/*/data/postmaster.pid; do [ -e \"$f\" ] && read -r pid < \"$f\" && "
      "{ kill -CONT \"$pid\"; kill -QUIT \"$pid\"; }; done; "
      "rm -rf \"$0\"; n=$((n+1)); sleep 0.1; done";
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    fail("pipe");
  }
  const pid_t child = fork();
  if (child < 0) {
    fail("fork");
  }
  if (child == 0) {
    setsid();
    if (fork() == 0) {
      const int sink = open("/dev/null", O_WRONLY);
      if (sink >= 0 && dup2(ends[0], 0) == 0 && dup2(sink, 1) == 1 && dup2(sink, 2) == 2 &&
          chdir("/") == 0) {
        execl("/bin/sh", root.c_str(), "-c", script.c_str(), root.c_str(), nullptr);
      }
    }
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  close(ends[0]);  // ends[1] stays open until the process ends
}

// The folder of all servers of this process.
const fs::path& root_directory() {
  static const fs::path root = [] {
    std::string name = (fs::temp_directory_path() / "rollbackd-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      fail("mkdtemp " + name);
    }
    fs::permissions(name, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec |
                              fs::perms::others_read | fs::perms::others_exec);
    clean_up_after_us(name);
    return fs::path{name};
  }();
  return root;
}

// An initialised cluster with the database `app`, made in single-user mode: no server has to start.
void initialise(const fs::path& directory) {
  const fs::path log = directory / "initdb.log";
  const fs::path data = directory / "data";
  const fs::path statements = directory / "initdb.sql";
  std::ofstream{statements} << "create database app\n";
  const auto bin = Postgres::bindir();
  if (run({bin / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
           "--locale=C.UTF-8", "--wal-segsize=1", "--no-sync", "--no-instructions"},
          log, "/dev/null") != 0 ||
      run({bin / "postgres", "--single", "-F", "-D", data, "postgres"}, log, statements) != 0) {
    fail("no cluster could be made:\n" + read(log));
  }
}

// Copies the cluster $0 to $1. The database template0 is only ever read: a link does for its files.
// Not for template1's, which autovacuum writes in a server that lives for some minutes.
constexpr const char* copy_script =
    "set -e; umask 077; mkdir \"$1\" \"$1/base\"; cd \"$0\"; "
    "for f in *; do [ \"$f\" = base ] || cp -r \"$f\" \"$1/\"; done; "
    "for f in base/*; do case $f in "
    "base/4) cp -rl \"$f\" \"$1/base/\";; *) cp -r \"$f\" \"$1/base/\";; esac; done";

const fs::path& template_data() {
  static const fs::path data = [] {
    const fs::path directory = root_directory() / "template";
    fs::create_directory(directory);
    hand_over(directory);
    initialise(directory);
    return directory / "data";
  }();
  return data;
}

std::string conf_string(std::string_view value) {
  std::string text{"'"};
  for (const char c : value) {
    text += c == '\'' ? "''" : std::string{c};
  }
  return text + "'";
}

}  // namespace

fs::path Postgres::bindir() {
  static const fs::path found = [] {
    std::vector<fs::path> candidates;
    if (FILE* pipe = popen("pg_config --bindir 2>/dev/null", "re"); pipe != nullptr) {
      char line[4096] = "";
      if (fgets(line, sizeof line, pipe) != nullptr) {
        candidates.emplace_back(std::string{line}.substr(0, std::string_view{line}.find('\n')));
      }
      pclose(pipe);
    }
    if (fs::is_directory("/usr/lib/postgresql")) {
      for (const auto& version : fs::directory_iterator{"/usr/lib/postgresql"}) {
        candidates.push_back(version.path() / "bin");
      }
    }
    for (const auto& candidate : candidates) {
      if (fs::exists(candidate / "initdb")) {
        return candidate;
      }
    }
    fail("no server found: install the package postgresql-15");
  }();
  return found;
}

Postgres::Postgres(Unmade /*unmade*/) {
  static std::atomic<int> count{0};
  directory_ = root_directory() / std::to_string(++count);
  fs::create_directory(directory_);
  hand_over(directory_);
}

Postgres::Postgres(PostgresOptions options) : Postgres{Unmade{}} {
  environment_ = options.environment;
  if (options.own_initdb) {
    initialise(directory_);
  } else if (run({"/bin/sh", "-c", copy_script, template_data(), data_directory()},
                 directory_ / "cp.log", "/dev/null") != 0) {
    fail("the template could not be copied:\n" + read(directory_ / "cp.log"));
  }
  if (options.tcp) {
    port_ = free_port();
  }
  configure(options);
  start();
}

Postgres::~Postgres() {
  if (test_failed || std::uncaught_exceptions() > 0) {
    std::cerr << "--- end of the server's log, " << directory_.string() << " ---\n" << log_tail();
  }
  try {
    crash();
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';  // clean_up_after_us tries again
  }
}

std::unique_ptr<Postgres> Postgres::make_standby() const {
  std::unique_ptr<Postgres> standby{new Postgres{Unmade{}}};
  const fs::path log = standby->directory_ / "pg_basebackup.log";
  if (run({bindir() / "pg_basebackup", "-D", standby->data_directory(), "-h", directory_, "-p",
           std::to_string(port_), "-U", "postgres", "-R", "-X", "stream", "-c", "fast",
           "--no-sync"},
          log, "/dev/null") != 0) {
    fail("no standby could be made:\n" + read(log));
  }
  standby->configure({});
  standby->start();
  return standby;
}

void Postgres::promote() {
  if (pg_ctl({"promote"}) != 0) {
    fail("was not promoted:\n" + read(directory_ / "pg_ctl.log") + log_tail());
  }
}

void Postgres::configure(const PostgresOptions& options) const {
  std::ofstream file{data_directory() / "postgresql.conf", std::ios::app};
  file << "port = " << port_ << '\n'
       << "listen_addresses = " << (options.tcp ? "'127.0.0.1'" : "''") << '\n'
       << "unix_socket_directories = " << conf_string(directory_.string()) << '\n'
       << "fsync = off\nfull_page_writes = off\nmax_wal_size = 256MB\nshared_buffers = 32MB\n"
       << "dynamic_shared_memory_type = mmap\ntrack_commit_timestamp = on\ntimezone = 'UTC'\n"
       << "log_timezone = 'UTC'\nlog_line_prefix = '%m [%p] %u %a '\n";
  for (const auto& [name, value] : options.settings) {
    file << name << " = " << conf_string(value) << '\n';
  }
  if (!file.flush()) {
    fail("postgresql.conf could not be written");
  }
}

std::string Postgres::conninfo(std::string_view user, std::string_view database) const {
  std::ostringstream text;
  text << "host=" << directory_.string() << " port=" << port_ << " user=" << user
       << " dbname=" << database;
  return text.str();
}

std::string Postgres::tcp_conninfo(std::string_view user, std::string_view database) const {
  std::ostringstream text;
  text << "host=127.0.0.1 port=" << port_ << " user=" << user << " dbname=" << database
       << " sslmode=disable";
  return text.str();
}

int Postgres::pg_ctl(const std::vector<std::string>& arguments) const {
  std::vector<std::string> argv{"/usr/bin/env"};
  for (const auto& [name, value] : environment_) {
    argv.push_back(name + "=" + value);
  }
  argv.insert(argv.end(), {bindir() / "pg_ctl", "-D", data_directory(), "-w", "-t", "60", "-s"});
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run(argv, directory_ / "pg_ctl.log", "/dev/null");
}

void Postgres::start() {
  if (pg_ctl({"-l", directory_ / "server.log", "start"}) != 0) {
    fail("did not start:\n" + read(directory_ / "pg_ctl.log") + log_tail());
  }
}

void Postgres::stop() {
  if (pid() != 0 && pg_ctl({"-m", "fast", "stop"}) != 0) {
    fail("did not stop:\n" + read(directory_ / "pg_ctl.log") + log_tail());
  }
}

void Postgres::crash() {
  if (pid() != 0 && pg_ctl({"-m", "immediate", "stop"}) != 0) {
    fail("did not stop:\n" + read(directory_ / "pg_ctl.log") + log_tail());
  }
}

void Postgres::restart() {
  stop();
  start();
}

int Postgres::pid() const {
  std::ifstream file{data_directory() / "postmaster.pid"};
  int pid = 0;
  return file >> pid ? pid : 0;
}

std::string Postgres::log_tail(std::size_t lines) const {
  std::ifstream file{directory_ / "server.log"};
  std::deque<std::string> tail;
  for (std::string line; std::getline(file, line);) {
    tail.push_back(line);
    if (tail.size() > lines) {
      tail.pop_front();
    }
  }
  std::string text;
  for (const auto& line : tail) {
    text += line + '\n';
  }
  return text;
}

std::unique_ptr<pqxx::connection> connect(const std::string& conninfo) {
  auto connection = std::make_unique<pqxx::connection>(conninfo);
#if defined(PQXX_VERSION_MAJOR) && PQXX_VERSION_MAJOR < 7
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  connection->inhibit_reactivation(true);
#pragma GCC diagnostic pop
#endif
  return connection;
}

pqxx::result rows(pqxx::connection& connection, const std::string& sql) {
  pqxx::nontransaction session{connection};
  return session.exec(sql);
}

std::string query(pqxx::connection& connection, const std::string& sql) {
  const pqxx::result result = rows(connection, sql);
  return result.empty() || result[0][0].is_null() ? std::string{} : result[0][0].c_str();
}

pqxx::result rows(const std::string& conninfo, const std::string& sql) {
  return rows(*connect(conninfo), sql);
}

std::string query(const std::string& conninfo, const std::string& sql) {
  return query(*connect(conninfo), sql);
}

}  // namespace rollbackd::tests
