#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "engine/asio.hpp"

#include "engine/database/session.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Reads and writes what people and pipelines ask for, on a session of its own: a slow question
// delays nothing else. Any thread may ask.
class Records final : public Archive {
 public:
  Records(asio::io_context& reactor, const ConnectionInfo& info, Log& log, Meter& meter);

  void history(const HistoryQuery& query, OnText on_text) override;
  void event(const rules::EventId& event, OnText on_text) override;
  void deployments(const DeploymentsQuery& query, OnText on_text) override;
  void record(const NewDeployment& deployment, OnText on_text) override;
  void change_status(const StatusChange& change, OnText on_text) override;
  void take_alerts(AlertDelivery delivery, OnText on_text) override;
  void recall(const rules::Sender& sender, OnKept on_kept) override;
  void keep_answer(const rules::Sender& sender, int status, const std::string& answer) override;

  void end_if_stuck(SteadyTime now) { session_.end_if_stuck(now); }

 private:
  template <class OnAnswer>
  void unread(const SessionFailure& failure, const OnAnswer& on_answer);
  void run(std::function<std::optional<std::string>(Connection&)> ask, OnText on_text);

  asio::io_context& reactor_;
  Log& log_;
  Meter& meter_;
  Session session_;  // last: its thread uses the others
};

}  // namespace rollbackd::engine
