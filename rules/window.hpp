#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rules/ids.hpp"
#include "rules/time.hpp"

namespace rollbackd::rules {

// Events per deployment in sliding windows of whole seconds: at second t the N-second window holds
// the events whose second lies in (t - N, t + 60]. Slices of one second with running sums make that
// exact and as cheap for a late event as for one on time. A second that passes costs what leaves a
// window in it. Memory grows with the deployments that have events in the longest window and with
// the seconds that they have them in, never with the events.
class Windows {
 public:
  // The lengths that can be asked for, in seconds, each 1 to limits::window_max.
  explicit Windows(std::vector<Second> lengths);

  // Counts n events of one second, however late or early. Those older than the longest window count
  // nowhere; those more than a minute ahead wait for their time. One second of one deployment holds
  // at most 2^32 - 1 of them.
  void add(const DeploymentId& deployment, Second at, std::uint64_t n);

  // Moves to second `now`; never back.
  void advance(Second now);

  // Forgets a deployment's events, those that wait for their time included.
  void forget(const DeploymentId& deployment);
  // Forgets everything and stands at this second, which may be earlier: a clock was set back.
  void restart(Second now);

  // Events of the deployment in the window of this length, which must be one of the constructor's.
  [[nodiscard]] std::uint64_t count(const DeploymentId& deployment, Second length) const;

  // Events of the deployment in this one second, which must be in the longest window.
  [[nodiscard]] std::uint64_t count_in(const DeploymentId& deployment, Second at) const;
  // Whether the deployment has events in the longest window; it may say so of one that has none left.
  [[nodiscard]] bool has_events(const DeploymentId& deployment) const {
    return numbers_.contains(deployment);
  }
  [[nodiscard]] Second longest() const { return longest_; }
  // The first second of the longest window.
  [[nodiscard]] Second oldest() const { return now_ - longest_ + 1; }

  [[nodiscard]] Second now() const { return now_; }
  [[nodiscard]] std::size_t deployments() const { return numbers_.size(); }
  // Events that wait for their time, and those for which the calendar had no room.
  [[nodiscard]] std::uint64_t waiting() const { return waiting_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  // With the allocator's word a page fills two cache lines.
  static constexpr std::size_t page_seconds = 30;
  using Page = std::array<std::uint32_t, page_seconds>;

  // One deployment's events by second, a page for each half minute that has any.
  struct Ring {
    DeploymentId deployment;
    std::vector<std::uint64_t> sums;  // one per length
    std::vector<std::unique_ptr<Page>> pages;
  };

  [[nodiscard]] std::size_t slot_of(Second at) const;
  Ring& ring_of(const DeploymentId& deployment, std::size_t slot);
  void release(std::uint32_t number);
  void clear_rings();
  void step();
  void leave(std::size_t length, std::size_t slot);
  void open_calendar(Second at);

  std::vector<Second> lengths_;  // ascending, distinct
  Second longest_;
  std::size_t slots_;  // seconds of a ring, whole pages; slot: second modulo this
  Second now_ = 0;
  std::unordered_map<DeploymentId, std::uint32_t> numbers_;  // index into rings_
  std::vector<Ring> rings_;
  std::vector<std::uint32_t> free_numbers_;
  // By slot: a bit for the number of each ring that has events in it. After forget() a bit may be
  // set although there are none.
  std::vector<std::vector<std::uint64_t>> present_;
  std::map<std::pair<Second, DeploymentId>, std::uint64_t> calendar_;  // beyond limits::ahead_max
  std::set<std::pair<DeploymentId, Second>> awaited_;                  // its keys, the other way
  std::uint64_t waiting_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace rollbackd::rules
