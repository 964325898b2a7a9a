#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ports.hpp"

namespace rollbackd::engine {

std::string_view name_of(Part part);
std::vector<Part> all_parts();

// Keeps what each part last said about itself. Any thread.
class StatusBoard final : public Board {
 public:
  struct Problem {
    Part part;
    std::string text;
  };

  // What is said of a part that was expected and has not reported.
  static constexpr const char* starting = "has not reported yet; it is starting";

  StatusBoard() = default;
  // Those in `expected` have a problem until they have reported: a daemon is not ready because
  // nobody has looked yet.
  explicit StatusBoard(const std::vector<Part>& expected);

  void report(Part part, std::string problem) override;
  void warn(Warning what, std::string text) override;

  // Empty: it is well, or has never reported and was not expected to.
  [[nodiscard]] std::string problem_of(Part part) const;
  // Of all parts, in the order of Part; empty: all is well.
  [[nodiscard]] std::vector<Problem> problems() const;
  [[nodiscard]] bool is_warned_of(Warning what) const;
  // What there is to warn of, in the order of Warning.
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  mutable std::mutex mutex_;
  std::map<Part, std::string> problems_;
  std::map<Warning, std::string> warnings_;
};

}  // namespace rollbackd::engine
