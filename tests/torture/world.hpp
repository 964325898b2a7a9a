#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/random.hpp"

namespace rollbackd::tests::torture {

// A text as an SQL literal.
inline std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? "''" : std::string(1, c);
  }
  return out + "'";
}

struct ServiceName {
  std::string environment;
  std::string name;
};

// What the writers know of: services, and the deployments that they or their neighbours made. Any
// thread.
class World {
 public:
  static const std::vector<ServiceName>& services() {
    static const std::vector<ServiceName> all{
        {"production", "app"},        {"production", "api"}, {"production", "shop"},
        {"staging", "app"},           {"staging", "api"},    {"qa", "app"},
        {"qa's \"own\"", "{a,b}\\c"}, {"ümlaut", "服务"},    {"empty", "never deployed"}};
    return all;
  }

  // Services that are deployed; the last one is not.
  static const ServiceName& deployed_service(Random& random) {
    return services()[static_cast<std::size_t>(
        random.between(0, static_cast<std::int64_t>(services().size()) - 2))];
  }

  void add(const std::string& id) {
    const std::lock_guard lock{mutex_};
    known_.push_back(id);
    std::erase(to_come_, id);
  }
  [[nodiscard]] std::size_t deployments() const {
    const std::lock_guard lock{mutex_};
    return known_.size();
  }
  std::optional<std::string> any(Random& random) const {
    const std::lock_guard lock{mutex_};
    return known_.empty() ? std::nullopt : std::optional{random.pick(known_)};
  }

  // The id of a deployment whose row may come later, or never.
  std::string to_come(Random& random) {
    const std::lock_guard lock{mutex_};
    if (to_come_.size() < 4 || random.one_in(200)) {
      to_come_.push_back(new_id(random));
    }
    if (to_come_.size() > to_come_max) {
      to_come_.erase(to_come_.begin());
    }
    return random.pick(to_come_);
  }

  static std::string new_id(Random& random) {
    static const char* digits = "0123456789abcdef";
    std::string id = "........-....-4...-8...-............";
    for (char& c : id) {
      if (c == '.') {
        c = digits[random.next() % 16];
      }
    }
    return id;
  }

 private:
  static constexpr std::size_t to_come_max = 12;

  mutable std::mutex mutex_;
  std::vector<std::string> known_;
  std::vector<std::string> to_come_;
};

}  // namespace rollbackd::tests::torture
