#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/ports.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// Deletes old rows of ours while this daemon leads: a batch at a time, with several times as long a
// rest after each as it took, so that nobody has to wait for it and a replica can follow. Reactor
// thread.
class Retention {
 public:
  // Rows of one statement.
  static constexpr std::size_t batch_rows = 1000;

  struct Pace {
    rules::Duration first_after = rules::minutes{1};  // there is more urgent work
    rules::Duration round_every = rules::minutes{10};
  };

  Retention(asio::io_context& reactor, const ConnectionInfo& info, RetentionSettings settings,
            Log& log);
  Retention(asio::io_context& reactor, const ConnectionInfo& info, RetentionSettings settings,
            Log& log, Pace pace);

  void lead();
  void follow();
  void stop() { follow(); }
  // From the next batch on.
  void use(const RetentionSettings& settings) { settings_ = settings; }
  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  void next();
  void deleted(std::uint64_t lead, std::size_t rows, rules::Duration took);
  void failed(std::uint64_t lead, const SessionFailure& failure);
  void again_after(rules::Duration delay);
  void end_table();

  asio::io_context& reactor_;
  Log& log_;
  RetentionSettings settings_;
  Pace pace_;
  asio::steady_timer timer_;
  std::uint64_t lead_ = 0;  // tells the answers of an earlier lead apart
  bool leading_ = false;
  std::size_t table_ = 0;      // whose turn it is
  std::uint64_t deleted_ = 0;  // of it, in this round
  Session session_;            // last: its thread uses the others
};

}  // namespace rollbackd::engine
