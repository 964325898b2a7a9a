#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/database/session.hpp"
#include "engine/notify/notifier.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// ops.outbox, on a session of its own. A message that is given up keeps its last_error and has
// next_attempt_at 'infinity'; sent_at stays null. Any thread.
class PostgresOutbox final : public Outbox {
 public:
  PostgresOutbox(const ConnectionInfo& info, Log& log);

  void due(std::size_t limit, OnRead on_read) override;
  void sent(std::int64_t id) override;
  void failed(std::int64_t id, std::string error,
              std::optional<rules::Duration> next_attempt_after) override;

  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  void write(const Session::Job& job);

  Log& log_;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
