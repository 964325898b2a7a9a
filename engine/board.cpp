#include "engine/board.hpp"

#include <utility>

#include "rules/names.hpp"

namespace rollbackd::engine {
namespace {

constexpr auto parts = rules::names_of<Part>({{Part::database, "database"},
                                              {Part::schema, "schema"},
                                              {Part::leadership, "leadership"},
                                              {Part::listener, "listener"},
                                              {Part::doorbell, "doorbell"},
                                              {Part::windows, "windows"},
                                              {Part::journal, "journal"},
                                              {Part::sampler, "sampler"},
                                              {Part::control, "control"},
                                              {Part::canary, "canary"}});

}  // namespace

std::string_view name_of(Part part) { return parts.name_of(part); }

std::vector<Part> all_parts() {
  std::vector<Part> all;
  for (const auto& [part, name] : parts.rows) {
    all.push_back(part);
  }
  return all;
}

StatusBoard::StatusBoard(const std::vector<Part>& expected) {
  for (const Part part : expected) {
    problems_[part] = starting;
  }
}

void StatusBoard::report(Part part, std::string problem) {
  const std::lock_guard lock{mutex_};
  problems_[part] = std::move(problem);
}

void StatusBoard::warn(Warning what, std::string text) {
  const std::lock_guard lock{mutex_};
  warnings_[what] = std::move(text);
}

std::string StatusBoard::problem_of(Part part) const {
  const std::lock_guard lock{mutex_};
  const auto found = problems_.find(part);
  return found == problems_.end() ? "" : found->second;
}

std::vector<StatusBoard::Problem> StatusBoard::problems() const {
  const std::lock_guard lock{mutex_};
  std::vector<Problem> all;
  for (const auto& [part, text] : problems_) {
    if (!text.empty()) {
      all.push_back({part, text});
    }
  }
  return all;
}

bool StatusBoard::is_warned_of(Warning what) const {
  const std::lock_guard lock{mutex_};
  const auto found = warnings_.find(what);
  return found != warnings_.end() && !found->second.empty();
}

std::vector<std::string> StatusBoard::warnings() const {
  const std::lock_guard lock{mutex_};
  std::vector<std::string> all;
  for (const auto& [what, text] : warnings_) {
    if (!text.empty()) {
      all.push_back(text);
    }
  }
  return all;
}

}  // namespace rollbackd::engine
