#include "engine/actions/webhook.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "engine/actions/deploy_values.hpp"
#include "engine/actions/standard_webhook.hpp"
#include "engine/actions/unreachable.hpp"
#include "engine/outgoing/url.hpp"
#include "engine/time_text.hpp"
#include "engine/utf8.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::size_t excerpt_max = 300;

std::string body_of(const rules::Deploy& deploy, const DeployValues& values, rules::Instant now) {
  nlohmann::ordered_json data;
  for (const DeployValue& each : values) {
    data[std::string{each.name}] = each.value;
  }
  data["reason"] = cut_end(plain_text(deploy.reason), rules::limits::detail_text_max);
  data["rolled_back"] = deploy.rolled_back.text();
  const nlohmann::ordered_json body{
      {"type", "rollback.deploy"}, {"timestamp", instant_text(now)}, {"data", std::move(data)}};
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string advice_of(int status) {
  if (status >= 300 && status < 400) {
    return "a redirect, and rollbackd follows none: set rollback.webhook.url to where it leads";
  }
  switch (status) {
    case 401:
    case 403:
      return "the receiver does not accept the signature: compare rollback.webhook.secret, and "
             "both clocks";
    case 404:
      return "nothing receives it there: look at rollback.webhook.url";
    case 410:
      return "the receiver wants no more of them: look at rollback.webhook.url";
    case 429:
      return "the receiver is asked too often";
    default:
      return "look at the receiver's log";
  }
}

std::string words_of(const HttpResponse& response) {
  std::string text = "the webhook answered " + std::to_string(response.status);
  if (!response.is_success()) {
    text += "; " + advice_of(response.status);
  }
  const std::string body = plain_text(response.body.substr(0, excerpt_max));
  return body.empty() ? text : text + ". It said: " + body;
}

// A receiver may say back what it was sent, and the path of a URL is often a secret, too.
bool tells_secret(const std::string& text, const WebhookSettings& settings) {
  const auto url = parse_url(settings.url.reveal());
  return text.find(settings.secret.reveal()) != std::string::npos ||
         (url && url->path.size() > 1 && text.find(url->path) != std::string::npos);
}

}  // namespace

Webhook::Webhook(HttpClient& http, const Clock& clock, Inbox& inbox, Log& log,
                 SettingsOf settings_of)
    : http_{http},
      clock_{clock},
      inbox_{inbox},
      log_{log},
      settings_of_{std::move(settings_of)},
      self_{std::make_shared<Webhook*>(this)} {}

Webhook::~Webhook() = default;

void Webhook::deploy(const rules::Deploy& deploy, SteadyTime leave_by) {
  if (running_.contains(deploy.event)) {
    // Answering would be taken for the end of the one that runs.
    log_.error("webhook_asked_twice", {{"event_id", deploy.event.text()}});
    return;
  }
  const WebhookSettings settings = settings_of_(deploy.service);
  const DeployValues values = values_of(deploy);
  using rules::DeployOutcome;
  if (settings.url.empty()) {
    return end(deploy.event, DeployOutcome::not_started,
               "no webhook is configured; set rollback.webhook.url");
  }
  if (const auto unsafe = look_at(values)) {
    return end(deploy.event, DeployOutcome::not_started, unsafe->what + "; " + unsafe->remedy);
  }
  HttpRequest request;
  request.method = "POST";
  request.url = settings.url.reveal();
  request.body = body_of(deploy, values, clock_.now());
  auto headers = webhook_headers(settings.secret, deploy.event.text(), clock_.now(), request.body);
  if (!headers) {
    return end(deploy.event, DeployOutcome::not_started,
               "rollback.webhook.secret: " + headers.error().what + "; " + headers.error().remedy);
  }
  request.headers = std::move(*headers);
  request.headers.emplace_back("Content-Type", "application/json");
  request.deadline = std::chrono::ceil<std::chrono::milliseconds>(settings.timeout);
  request.once = true;
  request.leave_by = leave_by;
  running_.insert(deploy.event);
  log_.info("webhook_sent",
            {{"event_id", deploy.event.text()}, {"receiver", origin_of(settings.url.reveal())}});
  http_.send(std::move(request),
             [self = std::weak_ptr{self_}, event = deploy.event, settings](HttpOutcome outcome) {
               if (const auto webhook = self.lock()) {
                 if (outcome.response && tells_secret(outcome.response->body, settings)) {
                   outcome.response->body.clear();
                 }
                 (*webhook)->ended(event, outcome);
               }
             });
}

void Webhook::follow(const rules::FollowDeploy& wanted) {
  if (!running_.contains(wanted.event)) {
    end(wanted.event, rules::DeployOutcome::unknown,
        "the daemon stopped before the webhook's answer, and nothing else says what became of it");
  }
}

std::vector<rules::EventId> Webhook::running() const { return {running_.begin(), running_.end()}; }

void Webhook::ended(const rules::EventId& event, const HttpOutcome& outcome) {
  running_.erase(event);
  const HttpFailure& failure = outcome.failure;
  if (!outcome.response && failure.certainty == HttpFailure::Certainty::not_sent) {
    const rules::Duration pause = pause_after_unreachable(unreachable_++);
    return end(event, rules::DeployOutcome::refused, failure.what, pause);
  }
  unreachable_ = 0;
  if (!outcome.response) {
    return end(event, rules::DeployOutcome::unknown,
               failure.what + "; whether the receiver acts on it is not known");
  }
  end(event,
      outcome.response->is_success() ? rules::DeployOutcome::succeeded
                                     : rules::DeployOutcome::failed,
      words_of(*outcome.response));
}

void Webhook::end(const rules::EventId& event, rules::DeployOutcome outcome, std::string detail,
                  rules::Duration retry_after) {
  log_.write(outcome == rules::DeployOutcome::succeeded ? LogLevel::info : LogLevel::error,
             "webhook_ended", {{"event_id", event.text()}, {"detail", detail}});
  inbox_.post(rules::DeployEnded{event, outcome, std::move(detail), retry_after});
}

}  // namespace rollbackd::engine
