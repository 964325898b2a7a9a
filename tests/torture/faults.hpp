#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/support/postgres.hpp"
#include "tests/support/random.hpp"
#include "tests/support/tcp_proxy.hpp"
#include "tests/torture/gate.hpp"
#include "tests/torture/sql_link.hpp"
#include "tests/torture/target.hpp"

namespace rollbackd::tests::torture {

// What happens to the daemon, its link and its server. One thread.
class Faults {
 public:
  using Clock = std::chrono::steady_clock;

  Faults(std::uint64_t seed, Postgres& postgres, TcpProxy& proxy, Target& target, Gate& gate);

  // How the daemon reaches the database when it is started next: mostly through the proxy.
  std::string route();
  // One interruption, chosen at random. Those that last end by themselves, see heal_due().
  // `gentle`: one that need not cost the feed its connection.
  void strike(bool gentle);
  // Ends what has lasted long enough; the moment of the next end, if there is one.
  void heal_due();
  [[nodiscard]] Clock::time_point next_end() const;
  // Ends everything: when it returns, all is as it should be.
  void heal_all();

  [[nodiscard]] const std::map<std::string, int>& count() const { return count_; }
  [[nodiscard]] int total() const { return total_; }
  // The latest ones, for whoever looks for the cause.
  [[nodiscard]] std::string latest() const;
  // The daemon ended although nobody killed it.
  [[nodiscard]] bool lost_the_daemon() const { return lost_the_daemon_; }

 private:
  // Each gives whether it happened: there is not always something to hit.
  using Kind = bool (Faults::*)();
  struct Choice {
    const char* name;
    int weight;
    int gentle_weight;
    Kind kind;
  };
  static const std::vector<Choice>& choices();

  bool end_session();
  bool end_other_session();
  bool kill_backend();
  bool kill_daemon();
  bool stop_daemon();
  bool restart_server();
  bool crash_server();
  bool stall_link();
  bool cut_link();
  bool reset_link();
  bool cut_in_a_message();
  bool refuse_link();
  bool lock_table();
  bool forge_bells();
  bool hold_k();

  std::string session_of_the_daemon(const char* condition = "true");
  std::chrono::milliseconds a_while();
  void later(std::chrono::milliseconds delay, std::function<void()> end);

  Random random_;
  Postgres& postgres_;
  TcpProxy& proxy_;
  Target& target_;
  Gate& gate_;
  SqlLink link_;
  SqlLink locker_;
  SqlLink stranger_;
  std::multimap<Clock::time_point, std::function<void()>> ends_;
  std::map<std::string, int> count_;
  std::deque<std::string> latest_;
  Clock::time_point begin_ = Clock::now();
  int total_ = 0;
  bool daemon_is_down_ = false;
  bool lost_the_daemon_ = false;
};

}  // namespace rollbackd::tests::torture
