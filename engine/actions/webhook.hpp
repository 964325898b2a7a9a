#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/outgoing/http_client.hpp"
#include "engine/ports.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// The webhook executor: a deploy is one POST, signed as Standard Webhooks, whose 2xx within the
// timeout says that it is deployed. Never repeated. Reactor thread only; posts DeployEnded once.
class Webhook {
 public:
  using SettingsOf = std::function<WebhookExecution(const rules::Service&)>;

  Webhook(HttpClient& http, const Clock& clock, Inbox& inbox, Log& log, SettingsOf settings_of);
  // Leaves what is under way to itself, as a crash would. The HttpClient may outlive it.
  ~Webhook();
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  void deploy(const rules::Deploy& deploy);
  // There is nobody to ask what became of a request: unknown, unless this one still waits for it.
  void follow(const rules::FollowDeploy& follow);

  // From now on every deploy is refused; what is under way goes on.
  void stop_starting() { stopping_ = true; }

  [[nodiscard]] std::vector<rules::EventId> running() const;
  [[nodiscard]] std::size_t running_count() const { return running_.size(); }

 private:
  void ended(const rules::EventId& event, const HttpOutcome& outcome);
  void end(const rules::EventId& event, rules::DeployOutcome outcome, std::string detail,
           rules::Duration retry_after = {});

  HttpClient& http_;
  const Clock& clock_;
  Inbox& inbox_;
  Log& log_;
  SettingsOf settings_of_;
  bool stopping_ = false;
  int unreachable_ = 0;  // in a row
  std::set<rules::EventId> running_;
  std::shared_ptr<Webhook*> self_;  // gone with it: answers may come later
};

}  // namespace rollbackd::engine
