#include "rules/window.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "rules/invariant.hpp"
#include "rules/limits.hpp"

namespace rollbackd::rules {
namespace {

constexpr std::size_t word_bits = 64;

}  // namespace

Windows::Windows(std::vector<Second> lengths) : lengths_{std::move(lengths)} {
  std::sort(lengths_.begin(), lengths_.end());
  lengths_.erase(std::unique(lengths_.begin(), lengths_.end()), lengths_.end());
  INVARIANT(!lengths_.empty() && lengths_.size() <= limits::window_lengths_max);
  INVARIANT(lengths_.front() >= 1 && lengths_.back() <= limits::window_max);
  longest_ = lengths_.back();
  const auto wanted = static_cast<std::size_t>(longest_ + limits::ahead_max);
  slots_ = (wanted + page_seconds - 1) / page_seconds * page_seconds;
  present_.resize(slots_);
}

std::size_t Windows::slot_of(Second at) const {
  const auto size = static_cast<Second>(slots_);
  return static_cast<std::size_t>(((at % size) + size) % size);
}

// The deployment's ring, with a page for this slot.
Windows::Ring& Windows::ring_of(const DeploymentId& deployment, std::size_t slot) {
  auto [known, is_new] = numbers_.try_emplace(deployment);
  if (is_new) {
    if (free_numbers_.empty()) {
      free_numbers_.push_back(static_cast<std::uint32_t>(rings_.size()));
      rings_.emplace_back();
    }
    known->second = free_numbers_.back();
    free_numbers_.pop_back();
    Ring& made = rings_[known->second];
    made.deployment = deployment;
    made.sums.resize(lengths_.size());
    made.pages.resize(slots_ / page_seconds);
  }
  const std::size_t word = known->second / word_bits;
  auto& present = present_[slot];
  if (present.size() <= word) {
    present.resize(word + 1);
  }
  present[word] |= std::uint64_t{1} << (known->second % word_bits);
  Ring& ring = rings_[known->second];
  if (auto& page = ring.pages[slot / page_seconds]; !page) {
    page = std::make_unique<Page>();
  }
  return ring;
}

void Windows::add(const DeploymentId& deployment, Second at, std::uint64_t n) {
  if (n == 0 || at <= now_ - longest_) {
    return;
  }
  if (at > now_ + limits::ahead_max) {
    auto known = calendar_.find({at, deployment});
    if (known == calendar_.end()) {
      if (calendar_.size() == limits::calendar_entries_max) {
        dropped_ += n;
        return;
      }
      known = calendar_.emplace(std::pair{at, deployment}, 0).first;
      awaited_.emplace(deployment, at);
    }
    known->second += n;
    waiting_ += n;
    return;
  }
  const std::size_t slot = slot_of(at);
  Ring& ring = ring_of(deployment, slot);
  std::uint32_t& counted = (*ring.pages[slot / page_seconds])[slot % page_seconds];
  const std::uint64_t room = std::numeric_limits<std::uint32_t>::max() - counted;
  const auto taken = static_cast<std::uint32_t>(std::min(n, room));
  counted += taken;
  for (std::size_t i = 0; i < lengths_.size(); ++i) {
    if (at > now_ - lengths_[i]) {
      ring.sums[i] += taken;
    }
  }
}

void Windows::advance(Second now) {
  if (now <= now_) {
    return;
  }
  // What is empty, or what all of it leaves, need not be left second by second.
  const bool is_empty = numbers_.empty();
  if (!is_empty && now - now_ <= longest_ + limits::ahead_max) {
    while (now_ < now) {
      step();
    }
    return;
  }
  if (!is_empty) {
    clear_rings();
  }
  now_ = now;
  while (!calendar_.empty() && calendar_.begin()->first.first <= now_ + limits::ahead_max) {
    open_calendar(calendar_.begin()->first.first);
  }
}

void Windows::step() {
  const Second next = now_ + 1;
  for (std::size_t i = 0; i < lengths_.size(); ++i) {
    leave(i, slot_of(next - lengths_[i]));
  }
  now_ = next;
  open_calendar(now_ + limits::ahead_max);
}

// The events of this slot leave the windows of one length; after the longest they are gone.
void Windows::leave(std::size_t length, std::size_t slot) {
  const bool is_last = length + 1 == lengths_.size();
  auto& present = present_[slot];
  for (std::size_t word = 0; word < present.size(); ++word) {
    for (std::uint64_t bits = present[word]; bits != 0; bits &= bits - 1) {
      const std::size_t number =
          word * word_bits + static_cast<std::size_t>(std::countr_zero(bits));
      Ring& ring = rings_[number];
      if (ring.pages.empty() || !ring.pages[slot / page_seconds]) {
        continue;
      }
      auto& page = ring.pages[slot / page_seconds];
      std::uint32_t& counted = (*page)[slot % page_seconds];
      ring.sums[length] -= counted;
      if (!is_last) {
        continue;
      }
      counted = 0;
      if (ring.sums[length] == 0) {
        release(static_cast<std::uint32_t>(number));
      } else if (*page == Page{}) {
        page.reset();
      }
    }
  }
  if (is_last) {
    present = {};
  }
}

void Windows::release(std::uint32_t number) {
  numbers_.erase(rings_[number].deployment);
  rings_[number] = {};
  free_numbers_.push_back(number);
}

void Windows::open_calendar(Second at) {
  while (!calendar_.empty() && calendar_.begin()->first.first == at) {
    const auto [key, n] = *calendar_.begin();
    calendar_.erase(calendar_.begin());
    awaited_.erase({key.second, at});
    waiting_ -= n;
    add(key.second, at, n);
  }
}

void Windows::forget(const DeploymentId& deployment) {
  if (const auto known = numbers_.find(deployment); known != numbers_.end()) {
    release(known->second);
  }
  auto entry = awaited_.lower_bound({deployment, std::numeric_limits<Second>::min()});
  while (entry != awaited_.end() && entry->first == deployment) {
    const auto waiting = calendar_.find({entry->second, deployment});
    waiting_ -= waiting->second;
    calendar_.erase(waiting);
    entry = awaited_.erase(entry);
  }
}

void Windows::clear_rings() {
  numbers_.clear();
  rings_.clear();
  free_numbers_.clear();
  present_.assign(slots_, {});
}

void Windows::restart(Second now) {
  now_ = now;
  clear_rings();
  calendar_.clear();
  awaited_.clear();
  waiting_ = 0;
}

std::uint64_t Windows::count(const DeploymentId& deployment, Second length) const {
  const auto place = std::lower_bound(lengths_.begin(), lengths_.end(), length);
  INVARIANT(place != lengths_.end() && *place == length);
  const auto known = numbers_.find(deployment);
  return known == numbers_.end()
             ? 0
             : rings_[known->second].sums[static_cast<std::size_t>(place - lengths_.begin())];
}

std::uint64_t Windows::count_in(const DeploymentId& deployment, Second at) const {
  INVARIANT(at >= oldest() && at <= now_ + limits::ahead_max);
  const auto known = numbers_.find(deployment);
  if (known == numbers_.end()) {
    return 0;
  }
  const std::size_t slot = slot_of(at);
  const auto& page = rings_[known->second].pages[slot / page_seconds];
  return page ? (*page)[slot % page_seconds] : 0;
}

}  // namespace rollbackd::rules
