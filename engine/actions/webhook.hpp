#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/actions/executor.hpp"
#include "engine/outgoing/http_client.hpp"
#include "engine/ports.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// The webhook executor: a deploy is one POST, signed as Standard Webhooks, whose 2xx within the
// timeout says that it is deployed. Never repeated. Reactor thread only; posts DeployEnded once.
class Webhook final : public Executor {
 public:
  using SettingsOf = std::function<WebhookSettings(const rules::Service&)>;

  Webhook(HttpClient& http, const Clock& clock, Inbox& inbox, Log& log, SettingsOf settings_of);
  // Leaves what is under way to itself, as a crash would. The HttpClient may outlive it.
  ~Webhook() override;
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  [[nodiscard]] std::string_view name() const override { return "webhook"; }
  void deploy(const rules::Deploy& deploy, SteadyTime leave_by = SteadyTime::max()) override;
  // There is nobody to ask what became of a request: unknown, unless this one still waits for it.
  void follow(const rules::FollowDeploy& wanted) override;
  // What was sent cannot be taken back.
  void cancel(const rules::CancelDeploy& /*wanted*/) override {}

  [[nodiscard]] std::vector<rules::EventId> running() const override;
  [[nodiscard]] std::size_t lost_with_us() const override { return running_.size(); }

 private:
  void ended(const rules::EventId& event, const HttpOutcome& outcome);
  void end(const rules::EventId& event, rules::DeployOutcome outcome, std::string detail,
           rules::Duration retry_after = {});

  HttpClient& http_;
  const Clock& clock_;
  Inbox& inbox_;
  Log& log_;
  SettingsOf settings_of_;
  int unreachable_ = 0;  // in a row
  std::set<rules::EventId> running_;
  std::shared_ptr<Webhook*> self_;  // gone with it: answers may come later
};

}  // namespace rollbackd::engine
