#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ports.hpp"

namespace rollbackd::engine {

std::string_view name_of(Part part);

// Keeps what each part last said about itself. Any thread.
class StatusBoard final : public Board {
 public:
  struct Problem {
    Part part;
    std::string text;
  };

  StatusBoard() = default;
  // Those in `expected` have a problem until they have reported: a daemon is not ready because
  // nobody has looked yet.
  explicit StatusBoard(const std::vector<Part>& expected);

  void report(Part part, std::string problem) override;

  // Empty: it is well, or has never reported and was not expected to.
  [[nodiscard]] std::string problem_of(Part part) const;
  // Of all parts, in the order of Part; empty: all is well.
  [[nodiscard]] std::vector<Problem> problems() const;

 private:
  mutable std::mutex mutex_;
  std::map<Part, std::string> problems_;
};

}  // namespace rollbackd::engine
