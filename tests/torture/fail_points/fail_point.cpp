#include "engine/fail_point.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <signal.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "engine/clock.hpp"
#include "rules/invariant.hpp"

// The fail points of rollbackd_torture, told by the environment:
//   ROLLBACKD_FAIL_POINT  name:action[:nth[:delay_ms]],…   action: crash, stop, lose_database,
//                         lose_answer, or hold: it waits there until there is a file named as the
//                         log with ".go", 5 s at most; nth: at which arrival (1); delay_ms: so much
//                         later (0)
//   ROLLBACKD_FAIL_LOG    a file that gets a line "name nth seconds" for each arrival, by the wall
//   clock ROLLBACKD_PLANTED_BUG the mistake that is made, of tests/torture/rollback/bugs.py
namespace rollbackd::engine {
namespace {

struct Planned {
  std::string point;
  std::string action;
  int nth = 1;
  std::chrono::milliseconds delay{0};
};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

std::vector<Planned> plan() {
  const char* text = std::getenv("ROLLBACKD_FAIL_POINT");
  std::vector<Planned> all;
  if (text == nullptr || *text == '\0') {
    return all;
  }
  for (const std::string& each : split(text, ',')) {
    const auto parts = split(each, ':');
    INVARIANT(parts.size() >= 2 && parts.size() <= 4 && is_fail_point(parts[0]));
    const std::array actions{"crash", "stop", "lose_database", "lose_answer", "hold"};
    INVARIANT(std::find(actions.begin(), actions.end(), parts[1]) != actions.end());
    Planned planned{parts[0], parts[1]};
    if (parts.size() > 2) {
      planned.nth = std::stoi(parts[2]);
    }
    if (parts.size() > 3) {
      planned.delay = std::chrono::milliseconds{std::stoi(parts[3])};
    }
    all.push_back(std::move(planned));
  }
  return all;
}

bool leads_to_postgres(int descriptor) {
  union {
    sockaddr any;
    sockaddr_un local;
    sockaddr_in inet;
    sockaddr_storage room;
  } peer{};
  socklen_t size = sizeof(peer);
  if (::getpeername(descriptor, &peer.any, &size) != 0) {
    return false;
  }
  return peer.any.sa_family == AF_UNIX &&
         std::string{peer.local.sun_path}.find(".s.PGSQL.") != std::string::npos;
}

// The server's sessions find themselves without a client, and libpq without a server.
void lose_database() {
  DIR* folder = ::opendir("/proc/self/fd");
  INVARIANT(folder != nullptr);
  while (const dirent* entry = ::readdir(folder)) {
    const int descriptor = std::atoi(entry->d_name);
    if (leads_to_postgres(descriptor)) {
      ::shutdown(descriptor, SHUT_RDWR);
    }
  }
  ::closedir(folder);
}

void hold() {
  const char* log = std::getenv("ROLLBACKD_FAIL_LOG");
  INVARIANT(log != nullptr);
  const std::string go = std::string{log} + ".go";
  constexpr int looks_max = 500;
  for (int look = 0; look < looks_max && ::access(go.c_str(), F_OK) != 0; ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
}

void act(const std::string& action) {
  if (action == "crash") {
    ::kill(::getpid(), SIGKILL);
  } else if (action == "stop") {
    ::kill(::getpid(), SIGSTOP);
    // Another thread may be the one that takes the signal, and this one would go on meanwhile.
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  } else if (action == "lose_database") {
    lose_database();
  } else if (action == "hold") {
    hold();
  }
}

double wall_seconds() { return rules::in_seconds(wall_now() - rules::Instant{}); }

class FailPoints {
 public:
  FailPoints() : plan_{plan()} {
    if (const char* path = std::getenv("ROLLBACKD_FAIL_LOG"); path != nullptr) {
      log_ = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
  }

  bool arrive(std::string_view name) {
    INVARIANT(is_fail_point(name));
    std::vector<Planned> now;
    {
      const std::lock_guard lock{mutex_};
      const int nth = ++arrivals_[std::string{name}];
      const std::string line = std::string{name} + ' ' + std::to_string(nth) + ' ' +
                               std::to_string(wall_seconds()) + '\n';
      if (log_ >= 0) {
        (void)!::write(log_, line.data(), line.size());
      }
      for (const Planned& planned : plan_) {
        if (planned.point == name && planned.nth == nth) {
          now.push_back(planned);
        }
      }
    }
    bool loses_answer = false;
    for (const Planned& planned : now) {
      loses_answer = loses_answer || planned.action == "lose_answer";
      if (planned.delay.count() == 0) {
        act(planned.action);
      } else {
        std::thread{[planned] {
          std::this_thread::sleep_for(planned.delay);
          act(planned.action);
        }}.detach();
      }
    }
    return loses_answer;
  }

 private:
  const std::vector<Planned> plan_;
  int log_ = -1;
  std::mutex mutex_;
  std::map<std::string, int> arrivals_;
};

}  // namespace

bool fail_point(std::string_view name) {
  static FailPoints all;
  return all.arrive(name);
}

}  // namespace rollbackd::engine
