#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "rules/time.hpp"

namespace rollbackd::engine {

// What `work` gives, if it does so within `limit`; nothing: it goes on, on a thread of its own that
// nobody waits for any more. For programs that end soon: what it uses has to live as long as it.
template <class Work>
auto within(rules::Duration limit, Work work) -> std::optional<decltype(work())> {
  using Value = decltype(work());
  auto promise = std::make_shared<std::promise<Value>>();
  std::future<Value> future = promise->get_future();
  std::thread{[promise, work = std::move(work)]() mutable {
    try {
      promise->set_value(work());
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  }}.detach();
  if (future.wait_for(limit) != std::future_status::ready) {
    return std::nullopt;
  }
  return future.get();
}

}  // namespace rollbackd::engine
