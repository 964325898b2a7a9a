#include "tests/torture/faults.hpp"

#include <fstream>
#include <signal.h>

namespace rollbackd::tests::torture {
namespace {

constexpr const char* k = "8245928655501484907";  // sql/triggers/README.md
constexpr std::size_t latest_max = 24;

// The parent of a process, by /proc/PID/stat: "pid (name) state parent …".
int parent_of(int pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  std::string text;
  std::getline(file, text);
  const auto at = text.rfind(") ");
  return at == std::string::npos || at + 4 >= text.size() ? 0 : std::stoi(text.substr(at + 4));
}

}  // namespace

Faults::Faults(std::uint64_t seed, Postgres& postgres, TcpProxy& proxy, Target& target, Gate& gate)
    : random_{seed * 1'000'003},
      postgres_{postgres},
      proxy_{proxy},
      target_{target},
      gate_{gate},
      link_{postgres.conninfo()},
      locker_{postgres.conninfo()},
      stranger_{postgres.conninfo("stranger")} {}

const std::vector<Faults::Choice>& Faults::choices() {
  static const std::vector<Choice> all{
      {"session ended", 20, 0, &Faults::end_session},
      {"session other than the feed's ended", 6, 20, &Faults::end_other_session},
      {"backend killed", 4, 0, &Faults::kill_backend},
      {"daemon killed", 10, 0, &Faults::kill_daemon},
      {"daemon stopped", 8, 8, &Faults::stop_daemon},
      {"server restarted", 3, 0, &Faults::restart_server},
      {"server crashed", 3, 0, &Faults::crash_server},
      {"link stalled", 12, 12, &Faults::stall_link},
      {"link cut", 8, 0, &Faults::cut_link},
      {"link reset", 8, 0, &Faults::reset_link},
      {"link cut in a message", 8, 0, &Faults::cut_in_a_message},
      {"link refused", 5, 0, &Faults::refuse_link},
      {"table locked", 5, 5, &Faults::lock_table},
      {"bells forged", 3, 5, &Faults::forge_bells},
      {"K held by a stranger", 3, 5, &Faults::hold_k}};
  return all;
}

std::string Faults::route() {
  const std::string direct = postgres_.conninfo("rollbackd");
  const std::string proxied = "port=" + std::to_string(proxy_.port()) + " ";
  switch (random_.between(0, 9)) {
    case 0:
      return direct;
    case 1:
    case 2:  // some sessions find the second way while the first one is refused
      return "host=127.0.0.1," + postgres_.directory().string() +
             " port=" + std::to_string(proxy_.port()) + "," + std::to_string(postgres_.port()) +
             " user=rollbackd dbname=app sslmode=disable";
    default:
      return "host=127.0.0.1 " + proxied + "user=rollbackd dbname=app sslmode=disable";
  }
}

void Faults::strike(bool gentle) {
  const auto weight = [gentle](const Choice& choice) {
    return gentle ? choice.gentle_weight : choice.weight;
  };
  std::int64_t sum = 0;
  for (const Choice& choice : choices()) {
    sum += weight(choice);
  }
  std::int64_t drawn = random_.between(0, sum - 1);
  for (const Choice& choice : choices()) {
    drawn -= weight(choice);
    if (drawn >= 0) {
      continue;
    }
    bool happened = false;
    const auto begin = Clock::now();
    try {
      happened = (this->*choice.kind)();
    } catch (const SqlError&) {
      // The server is away just now, because of an earlier one.
    }
    if (happened) {
      ++total_;
      ++count_[choice.name];
      const std::chrono::duration<double> at_second = begin - begin_;
      const std::chrono::duration<double> took = Clock::now() - begin;
      latest_.push_back(std::to_string(at_second.count()) + " s: " + choice.name + ", " +
                        std::to_string(took.count()) + " s");
      if (latest_.size() > latest_max) {
        latest_.pop_front();
      }
    }
    return;
  }
}

std::string Faults::latest() const {
  std::string text;
  for (const std::string& line : latest_) {
    text += line + "\n";
  }
  return text;
}

void Faults::later(std::chrono::milliseconds delay, std::function<void()> end) {
  ends_.emplace(Clock::now() + delay, std::move(end));
}

Faults::Clock::time_point Faults::next_end() const {
  return ends_.empty() ? Clock::time_point::max() : ends_.begin()->first;
}

void Faults::heal_due() {
  while (!ends_.empty() && ends_.begin()->first <= Clock::now()) {
    const auto end = std::move(ends_.begin()->second);
    ends_.erase(ends_.begin());
    end();
  }
}

void Faults::heal_all() {
  while (!ends_.empty()) {
    const auto end = std::move(ends_.begin()->second);
    ends_.erase(ends_.begin());
    end();
  }
  proxy_.heal();
  // A killed backend makes the server start anew by itself; that is over when it answers.
  eventually("the server to answer", 60, [this] {
    try {
      return link_.value("select 1") == "1";
    } catch (const SqlError&) {
      return false;
    }
  });
  lost_the_daemon_ = lost_the_daemon_ || target_.has_ended();
}

// Mostly short, so that many fit into the campaign; some longer than leases and time-outs.
std::chrono::milliseconds Faults::a_while() {
  return std::chrono::milliseconds{random_.one_in(8) ? random_.between(600, 4'000)
                                                     : random_.between(20, 600)};
}

std::string Faults::session_of_the_daemon(const char* condition) {
  return link_.value(
      std::string{"select pid from pg_stat_activity where application_name like 'rollbackd%'"
                  " and backend_type = 'client backend' and "} +
      condition + " order by random() limit 1");
}

bool Faults::end_session() {
  const std::string pid = session_of_the_daemon();
  return !pid.empty() && link_.value("select pg_terminate_backend(" + pid + ")") == "t";
}

bool Faults::end_other_session() {
  const std::string pid = session_of_the_daemon("application_name <> 'rollbackd feed'");
  return !pid.empty() && link_.value("select pg_terminate_backend(" + pid + ")") == "t";
}

bool Faults::kill_backend() {
  const std::string text = session_of_the_daemon();
  const int pid = text.empty() ? 0 : std::stoi(text);
  if (pid == 0 || parent_of(pid) != postgres_.pid() || ::kill(pid, SIGKILL) != 0) {
    return false;
  }
  // The server ends every session then, this one too: that is when it has noticed.
  eventually("the server to notice", 60, [this] {
    try {
      link_.run("select 1");
      return false;
    } catch (const SqlError&) {
      return true;
    }
  });
  return true;
}

bool Faults::kill_daemon() {
  if (daemon_is_down_) {
    return false;
  }
  lost_the_daemon_ = lost_the_daemon_ || target_.has_ended();
  target_.kill();
  daemon_is_down_ = true;
  later(random_.one_in(2) ? std::chrono::milliseconds{0} : a_while(), [this] {
    target_.start(route());
    daemon_is_down_ = false;
  });
  return true;
}

bool Faults::stop_daemon() {
  if (daemon_is_down_) {
    return false;
  }
  const int pid = target_.pid();
  target_.stop_for_now();
  later(a_while(), [this, pid] {
    if (target_.pid() == pid) {
      target_.go_on();
    }
  });
  return true;
}

bool Faults::restart_server() {
  postgres_.stop();
  gate_.pause(random_.one_in(3) ? a_while() : std::chrono::milliseconds{0});
  postgres_.start();
  return true;
}

bool Faults::crash_server() {
  postgres_.crash();
  gate_.pause(random_.one_in(3) ? a_while() : std::chrono::milliseconds{0});
  postgres_.start();
  return true;
}

bool Faults::stall_link() {
  static const std::vector<TcpProxy::Direction> directions{
      TcpProxy::Direction::both, TcpProxy::Direction::both, TcpProxy::Direction::to_server,
      TcpProxy::Direction::to_client};
  proxy_.stall(random_.pick(directions),
               random_.one_in(3) ? TcpProxy::Scope::existing : TcpProxy::Scope::existing_and_new);
  later(a_while(), [this] { proxy_.heal(); });
  return true;
}

bool Faults::cut_link() {
  proxy_.cut();
  return true;
}

bool Faults::reset_link() {
  proxy_.reset();
  return true;
}

bool Faults::cut_in_a_message() {
  proxy_.cut_after(
      static_cast<std::size_t>(random_.between(1, random_.one_in(2) ? 200 : 20'000)),
      random_.one_in(3) ? TcpProxy::Direction::to_server : TcpProxy::Direction::to_client);
  return true;
}

bool Faults::refuse_link() {
  proxy_.refuse();
  random_.one_in(2) ? proxy_.cut() : proxy_.reset();
  later(a_while(), [this] { proxy_.heal(); });
  return true;
}

bool Faults::lock_table() {
  static const std::vector<std::string> tables{"ops.system_logs", "ops.deployments",
                                               "ops.system_logs, ops.deployments"};
  locker_.run("begin; set local lock_timeout = '400ms'; lock table " + random_.pick(tables) +
              " in access exclusive mode");
  later(a_while(), [this] { locker_.close(); });
  return true;
}

// Anybody who can connect may ring, and say what he likes.
bool Faults::forge_bells() {
  stranger_.run(
      "select pg_notify('rollbackd', case i % 3 when 0 then repeat('x', 7000) || i"
      " when 1 then i::text else '{\"deployment_id\": null' || i end)"
      " from generate_series(1, " +
      std::to_string(random_.between(1, 3'000)) + ") i");
  return true;
}

bool Faults::hold_k() {
  stranger_.run(std::string{"set lock_timeout = '400ms'; select pg_advisory_lock("} + k + ")");
  later(a_while(), [this] { stranger_.close(); });
  return true;
}

}  // namespace rollbackd::tests::torture
