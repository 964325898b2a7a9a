#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "rules/ids.hpp"
#include "rules/time.hpp"

namespace rollbackd::rules {

// Events per deployment in sliding windows of whole seconds: at second t the N-second window holds
// the events whose second lies in (t - N, t + 60]. Slices of one second with running sums make that
// exact and as cheap for a late event as for one on time. Memory grows with the deployments that
// have events in the longest window, never with the events.
class Windows {
 public:
  // The lengths that can be asked for, in seconds, each 1 to limits::window_max.
  explicit Windows(std::vector<Second> lengths);

  // Counts n events of one second, however late or early. Those older than the longest window count
  // nowhere; those more than a minute ahead wait for their time.
  void add(const DeploymentId& deployment, Second at, std::uint64_t n);

  // Moves to second `now`; never back.
  void advance(Second now);

  // Forgets a deployment's events, those that wait for their time included.
  void forget(const DeploymentId& deployment);
  void clear();

  // Events of the deployment in the window of this length, which must be one of the constructor's.
  [[nodiscard]] std::uint64_t count(const DeploymentId& deployment, Second length) const;

  [[nodiscard]] Second now() const { return now_; }
  [[nodiscard]] std::size_t deployments() const { return rings_.size(); }
  // Events that wait for their time, and those for which the calendar had no room.
  [[nodiscard]] std::uint64_t waiting() const { return waiting_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  struct Ring {
    std::vector<std::uint32_t> slots;  // index: second modulo size
    std::vector<std::uint64_t> sums;   // one per length
  };
  using Page = std::unordered_map<DeploymentId, std::uint64_t>;

  [[nodiscard]] std::size_t slot_of(Second at) const;
  void place(Ring& ring, Second at, std::uint64_t n) const;
  void step();
  void open_page(Second at);

  std::vector<Second> lengths_;  // ascending, distinct
  Second longest_;
  Second now_ = 0;
  std::unordered_map<DeploymentId, Ring> rings_;
  std::map<Second, Page> calendar_;  // seconds further ahead than limits::ahead_max
  std::size_t calendar_entries_ = 0;
  std::uint64_t waiting_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace rollbackd::rules
