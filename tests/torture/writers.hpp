#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/torture/gate.hpp"
#include "tests/torture/rows.hpp"
#include "tests/torture/sql_link.hpp"
#include "tests/torture/world.hpp"

namespace rollbackd::tests::torture {

// Everybody who writes to the database: applications, bulk loads, transactions that stay open,
// pipelines that record deployments, and the house-keeping. Each is a thread with a connection and
// random numbers of its own. What they commit is in torture.ledger, written by the same transaction
// as the events, so that a commit whose answer was lost is known as well.
class Writers {
 public:
  struct Options {
    std::string conninfo;  // straight to the server
    std::uint64_t seed = 1;
    bool with_other_log = false;
    bool with_two_phase = false;  // some transactions are prepared
    int bulk_max = 200'000;       // rows of one bulk load
    bool with_removals = false;   // rows inside the windows are deleted or truncated, now and then
  };

  // Writers wait at the gate as soon as they are made.
  Writers(Options options, Gate& gate);
  // REQUIRES: the gate has ended.
  ~Writers();
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;

  // About how many events are committed, and how many may be: bulk loads fill what is missing.
  [[nodiscard]] std::int64_t committed() const { return committed_; }
  void allow(std::int64_t events) { allowed_ = events; }
  [[nodiscard]] World& world() { return world_; }

  // A statement of a writer that failed although nobody interrupted it; empty: none. Nothing that
  // we do may fail a writer.
  [[nodiscard]] std::string complaint() const;

 private:
  struct Writer {
    Writer(const Options& options, std::uint64_t number, World& world)
        : random{options.seed * 1'000 + number},
          rows{random, world, options.with_other_log},
          link{options.conninfo} {}

    Random random;
    Rows rows;
    SqlLink link;
  };
  // One turn; gives the events it committed.
  using Turn = std::int64_t (Writers::*)(Writer&);

  void start(std::uint64_t number, Turn turn, std::int64_t pause_max_ms);
  void work(std::uint64_t number, Turn turn, std::int64_t pause_max_ms);
  void failed(const SqlError& error);

  std::int64_t application(Writer& writer);
  std::int64_t bulk_load(Writer& writer);
  std::int64_t long_transaction(Writer& writer);
  std::int64_t short_transaction(Writer& writer);
  std::int64_t open_for(Writer& writer, std::int64_t length_ms);
  std::int64_t two_phase(Writer& writer);
  std::int64_t pipeline(Writer& writer);
  std::int64_t house_keeping(Writer& writer);
  std::int64_t removal(Writer& writer);

  Options options_;
  Gate& gate_;
  World world_;
  std::atomic<std::int64_t> committed_{0};
  std::atomic<std::int64_t> allowed_{0};
  mutable std::mutex mutex_;
  std::string complaint_;
  std::vector<std::thread> threads_;
};

// Schema torture: the books. `events` of each committed transaction, rows that were deleted by us,
// and copies of the rows that were removed from inside the windows.
std::string books_ddl();

}  // namespace rollbackd::tests::torture
