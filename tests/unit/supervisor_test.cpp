#include "engine/telemetry/supervisor.hpp"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <doctest/doctest.h>

namespace rollbackd::engine {
namespace {

// The manager's end: a datagram socket with a name in a folder of its own, or an abstract one that
// the system chose.
class Manager {
 public:
  explicit Manager(bool abstract) : fd_{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t size = sizeof address.sun_family;  // the system chooses
    if (!abstract) {
      std::string folder = (std::filesystem::temp_directory_path() / "notify.XXXXXX").string();
      REQUIRE(mkdtemp(folder.data()) != nullptr);
      folder_ = folder;
      name_ = folder + "/socket";
      std::memcpy(address.sun_path, name_.c_str(), name_.size() + 1);
      size = sizeof address;
    }
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(fd_, generic, size) == 0);
    if (abstract) {
      size = sizeof address;
      REQUIRE(getsockname(fd_, generic, &size) == 0);
      const std::size_t length = size - offsetof(sockaddr_un, sun_path);
      name_ = '@' + std::string{address.sun_path + 1, length - 1};
    }
  }
  ~Manager() {
    close(fd_);
    if (!folder_.empty()) {
      std::filesystem::remove_all(folder_);
    }
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  // The next message, which is there already; empty: there is none.
  [[nodiscard]] std::string heard() const {
    std::array<char, 4096> buffer{};
    const ssize_t size = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    return size < 0 ? "" : std::string{buffer.data(), static_cast<std::size_t>(size)};
  }

 private:
  int fd_;
  std::string name_;
  std::filesystem::path folder_;
};

TEST_CASE("supervisor: every message arrives, on a path and on an abstract socket") {
  for (const bool abstract : {false, true}) {
    const Manager manager{abstract};
    const Supervisor supervisor{manager.name()};
    CHECK(supervisor.is_there());
    supervisor.ready("leading");
    CHECK(manager.heard() == "READY=1\nSTATUS=leading");
    supervisor.status("watching 3 services");
    CHECK(manager.heard() == "STATUS=watching 3 services");
    supervisor.watchdog();
    CHECK(manager.heard() == "WATCHDOG=1");
    supervisor.stopping("waiting for a command");
    CHECK(manager.heard() == "STOPPING=1\nSTATUS=waiting for a command");
  }
}

TEST_CASE("supervisor: a text cannot become an assignment of its own") {
  const Manager manager{true};
  const Supervisor supervisor{manager.name()};
  supervisor.status("a\nMAINPID=1\r\tb");
  CHECK(manager.heard() == "STATUS=a MAINPID=1  b");
}

TEST_CASE("supervisor: without a manager nothing happens") {
  Supervisor{""}.ready("x");
  CHECK_FALSE(Supervisor{""}.is_there());
  Supervisor{"/nowhere/at/all"}.ready("x");
  Supervisor{"relative"}.ready("x");
  Supervisor{"/" + std::string(200, 'x')}.ready("x");
}

TEST_CASE("supervisor: a manager that does not read costs messages, not time") {
  const Manager manager{true};
  const Supervisor supervisor{manager.name()};
  constexpr int sent = 10'000;
  for (int i = 0; i < sent; ++i) {
    supervisor.status("x");
  }
  int heard = 0;
  while (!manager.heard().empty()) {
    ++heard;
  }
  CHECK(heard > 0);
  CHECK(heard < sent);
}

TEST_CASE("supervisor: the environment says where and how often") {
  // One thread has the environment here. NOLINTBEGIN(concurrency-mt-unsafe)
  const Manager manager{true};
  setenv("NOTIFY_SOCKET", manager.name().c_str(), 1);
  setenv("WATCHDOG_USEC", "30000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  CHECK(Supervisor::of_environment().watchdog_interval() == std::chrono::seconds{30});
  Supervisor::of_environment().ready("up");
  CHECK(manager.heard() == "READY=1\nSTATUS=up");
  setenv("WATCHDOG_PID", "1", 1);
  CHECK_FALSE(Supervisor::of_environment().watchdog_interval());
  unsetenv("WATCHDOG_PID");
  CHECK(Supervisor::of_environment().watchdog_interval());
  for (const char* wrong : {"", "0", "-1", "30s", "99999999999999999999999"}) {
    setenv("WATCHDOG_USEC", wrong, 1);
    CHECK_FALSE(Supervisor::of_environment().watchdog_interval());
  }
  unsetenv("WATCHDOG_USEC");
  unsetenv("NOTIFY_SOCKET");
  CHECK_FALSE(Supervisor::of_environment().is_there());
  // NOLINTEND(concurrency-mt-unsafe)
}

}  // namespace
}  // namespace rollbackd::engine
