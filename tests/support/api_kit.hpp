#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/http/message.hpp"
#include "engine/ports.hpp"

namespace rollbackd::tests {

inline const std::string some_event = "11111111-2222-3333-4444-555555555555";
inline const std::string some_deployment = "99999999-2222-3333-4444-555555555555";
inline const std::string execute_body =
    R"({"deployment_id":")" + some_deployment + R"(","trigger_reason":"wrong prices"})";

// That event: some_deployment back to v1, by a command.
inline rules::Rollback a_rollback() {
  rules::Rollback rollback;
  rollback.id = *rules::EventId::parse(some_event);
  rollback.deployment = *rules::DeploymentId::parse(some_deployment);
  rollback.executor = "command";
  rollback.target = rules::Target{*rules::DeploymentId::parse(some_event), "v1", "abc", {}, true};
  return rollback;
}

// Of an answer; empty: it is not there.
inline std::string header(const engine::ApiResponse& response, std::string_view name) {
  for (const auto& [known, value] : response.headers) {
    if (known == name) {
      return value;
    }
  }
  return {};
}

// A view of nothing, of which tests change what they are about.
class EmptyView : public engine::View {
 public:
  [[nodiscard]] std::optional<rules::CheckView> check(
      const rules::DeploymentId& /*id*/) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::vector<rules::ServiceView> services() const override { return {}; }
  [[nodiscard]] bool has_windows() const override { return true; }
  [[nodiscard]] bool is_complete() const override { return true; }
  [[nodiscard]] rules::Second as_of() const override { return 0; }
  [[nodiscard]] std::size_t active_rollbacks() const override { return 0; }
  [[nodiscard]] const std::optional<rules::ControlRead>& control() const override {
    return control_read;
  }
  [[nodiscard]] EarlyEvents early_events() const override { return {}; }

  std::optional<rules::ControlRead> control_read;
};

// Remembers what it was asked; the test answers.
class HandDesk final : public engine::Desk {
 public:
  void ask(engine::PersonsRequest request,
           std::function<void(const rules::Answer&)> on_answer) override {
    asked.push_back(std::move(request));
    if (at_once) {
      on_answer(*at_once);
    } else {
      waiting.push_back(std::move(on_answer));
    }
  }
  [[nodiscard]] Watch watch(const rules::EventId& event, OnState on_state) override {
    auto watch = std::make_shared<OnState>(std::move(on_state));
    watches.emplace_back(event, watch);
    return watch;
  }
  // Tells everybody who watches this rollback.
  void tell(const rules::Rollback& rollback) const {
    for (const auto& [event, weak] : watches) {
      if (const auto watch = weak.lock(); watch != nullptr && event == rollback.id) {
        (*watch)(rollback);
      }
    }
  }
  template <class Request>
  [[nodiscard]] const Request& last() const {
    return std::get<Request>(asked.back());
  }

  std::optional<rules::Answer> at_once;
  std::vector<engine::PersonsRequest> asked;
  std::vector<std::function<void(const rules::Answer&)>> waiting;
  std::vector<std::pair<rules::EventId, std::weak_ptr<OnState>>> watches;
};

// Answers every question with the same rows.
class FixedArchive final : public engine::Archive {
 public:
  using Text = engine::Result<std::optional<std::string>>;
  using Kept = engine::Result<std::optional<engine::KeptRequest>>;

  void history(const engine::HistoryQuery& query, OnText on_text) override {
    histories.push_back(query);
    on_text(answer);
  }
  void event(const rules::EventId& /*event*/, OnText on_text) override { on_text(answer); }
  void deployments(const engine::DeploymentsQuery& query, OnText on_text) override {
    listings.push_back(query);
    on_text(answer);
  }
  void record(const engine::NewDeployment& deployment, OnText on_text) override {
    recorded.push_back(deployment);
    on_text(answer);
  }
  void change_status(const engine::StatusChange& change, OnText on_text) override {
    changed.push_back(change);
    on_text(answer);
  }
  // Keeps requests as the table does, in memory: those that a test puts there, and what is
  // answered.
  void recall(const rules::Sender& sender, OnKept on_kept) override {
    const auto found = kept.find({sender.token, sender.key});
    on_kept(recall_error          ? Kept{*recall_error}
            : found == kept.end() ? Kept{std::optional<engine::KeptRequest>{}}
                                  : Kept{std::optional{found->second}});
  }
  void keep_answer(const rules::Sender& sender, int status, const std::string& text) override {
    kept.insert_or_assign({sender.token, sender.key},
                          engine::KeptRequest{sender.fingerprint, {}, status, text});
  }

  void take_alerts(engine::AlertDelivery delivery, OnText on_text) override {
    deliveries.push_back(std::move(delivery));
    on_text(answer);
  }

  Text answer{std::optional<std::string>{"[]"}};
  std::vector<engine::AlertDelivery> deliveries;
  std::vector<engine::HistoryQuery> histories;
  std::vector<engine::DeploymentsQuery> listings;
  std::vector<engine::NewDeployment> recorded;
  std::vector<engine::StatusChange> changed;
  std::map<std::pair<std::string, std::string>, engine::KeptRequest> kept;
  std::optional<engine::Error> recall_error;
};

}  // namespace rollbackd::tests
