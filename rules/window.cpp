#include "rules/window.hpp"

#include <algorithm>

#include "rules/invariant.hpp"
#include "rules/limits.hpp"

namespace rollbackd::rules {

Windows::Windows(std::vector<Second> lengths) : lengths_{std::move(lengths)} {
  std::sort(lengths_.begin(), lengths_.end());
  lengths_.erase(std::unique(lengths_.begin(), lengths_.end()), lengths_.end());
  INVARIANT(!lengths_.empty() && lengths_.size() <= limits::window_lengths_max);
  INVARIANT(lengths_.front() >= 1 && lengths_.back() <= limits::window_max);
  longest_ = lengths_.back();
}

std::size_t Windows::slot_of(Second at) const {
  const Second size = longest_ + limits::ahead_max;
  return static_cast<std::size_t>(((at % size) + size) % size);
}

void Windows::place(Ring& ring, Second at, std::uint64_t n) const {
  ring.slots[slot_of(at)] += static_cast<std::uint32_t>(n);
  for (std::size_t i = 0; i < lengths_.size(); ++i) {
    if (at > now_ - lengths_[i]) {
      ring.sums[i] += n;
    }
  }
}

void Windows::add(const DeploymentId& deployment, Second at, std::uint64_t n) {
  if (n == 0 || at <= now_ - longest_) {
    return;
  }
  if (at > now_ + limits::ahead_max) {
    Page& page = calendar_[at];
    const auto known = page.find(deployment);
    if (known == page.end() && calendar_entries_ == limits::calendar_entries_max) {
      dropped_ += n;
      if (page.empty()) {
        calendar_.erase(at);
      }
      return;
    }
    calendar_entries_ += known == page.end() ? 1U : 0U;
    page[deployment] += n;
    waiting_ += n;
    return;
  }
  Ring& ring = rings_[deployment];
  if (ring.slots.empty()) {
    ring.slots.resize(static_cast<std::size_t>(longest_ + limits::ahead_max));
    ring.sums.resize(lengths_.size());
  }
  place(ring, at, n);
}

void Windows::advance(Second now) {
  if (now <= now_) {
    return;
  }
  if (now - now_ > longest_ + limits::ahead_max) {
    rings_.clear();
    now_ = now;
    while (!calendar_.empty() && calendar_.begin()->first <= now_ + limits::ahead_max) {
      open_page(calendar_.begin()->first);
    }
    return;
  }
  while (now_ < now) {
    step();
  }
}

// The slot that leaves the longest window is the one that the new last second ahead takes over.
void Windows::step() {
  const Second next = now_ + 1;
  for (auto it = rings_.begin(); it != rings_.end();) {
    Ring& ring = it->second;
    for (std::size_t i = 0; i < lengths_.size(); ++i) {
      ring.sums[i] -= ring.slots[slot_of(next - lengths_[i])];
    }
    ring.slots[slot_of(next - longest_)] = 0;
    it = ring.sums.back() == 0 ? rings_.erase(it) : std::next(it);
  }
  now_ = next;
  open_page(now_ + limits::ahead_max);
}

void Windows::open_page(Second at) {
  auto page = calendar_.extract(at);
  if (page.empty()) {
    return;
  }
  for (const auto& [deployment, n] : page.mapped()) {
    --calendar_entries_;
    waiting_ -= n;
    add(deployment, at, n);
  }
}

void Windows::forget(const DeploymentId& deployment) {
  rings_.erase(deployment);
  for (auto it = calendar_.begin(); it != calendar_.end();) {
    if (const auto entry = it->second.find(deployment); entry != it->second.end()) {
      waiting_ -= entry->second;
      --calendar_entries_;
      it->second.erase(entry);
    }
    it = it->second.empty() ? calendar_.erase(it) : std::next(it);
  }
}

void Windows::clear() {
  rings_.clear();
  calendar_.clear();
  calendar_entries_ = 0;
  waiting_ = 0;
}

std::uint64_t Windows::count(const DeploymentId& deployment, Second length) const {
  const auto place = std::lower_bound(lengths_.begin(), lengths_.end(), length);
  INVARIANT(place != lengths_.end() && *place == length);
  const auto ring = rings_.find(deployment);
  return ring == rings_.end()
             ? 0
             : ring->second.sums[static_cast<std::size_t>(place - lengths_.begin())];
}

}  // namespace rollbackd::rules
