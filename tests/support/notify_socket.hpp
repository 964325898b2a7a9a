#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace rollbackd::tests {

// The service manager's end of sd_notify: a datagram socket with a name in a folder of its own, or
// an abstract one that the system chose.
class NotifySocket {
 public:
  explicit NotifySocket(bool abstract) : fd_{socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t size = sizeof address.sun_family;  // the system chooses
    if (!abstract) {
      std::string folder = (std::filesystem::temp_directory_path() / "notify.XXXXXX").string();
      if (mkdtemp(folder.data()) == nullptr) {
        throw std::runtime_error{"cannot make a directory"};
      }
      folder_ = folder;
      name_ = folder + "/socket";
      std::memcpy(address.sun_path, name_.c_str(), name_.size() + 1);
      size = sizeof address;
    }
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(fd_, generic, size) != 0) {
      throw std::runtime_error{"cannot bind a socket"};
    }
    if (abstract) {
      size = sizeof address;
      if (getsockname(fd_, generic, &size) != 0) {
        throw std::runtime_error{"a socket without a name"};
      }
      const std::size_t length = size - offsetof(sockaddr_un, sun_path);
      name_ = '@' + std::string{address.sun_path + 1, length - 1};
    }
  }
  ~NotifySocket() {
    close(fd_);
    if (!folder_.empty()) {
      std::filesystem::remove_all(folder_);
    }
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  // Whether one is there before this much time has passed.
  [[nodiscard]] bool hears_within(std::chrono::milliseconds time) const {
    pollfd waiting{fd_, POLLIN, 0};
    return poll(&waiting, 1, static_cast<int>(time.count())) > 0;
  }
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

}  // namespace rollbackd::tests
