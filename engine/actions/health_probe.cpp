#include "engine/actions/health_probe.hpp"

#include <utility>

namespace rollbackd::engine {
namespace {

rules::HealthUrlAnswered answer_of(const rules::EventId& event, const HttpOutcome& outcome) {
  if (!outcome.response) {
    return {event, false, "health_url did not answer: " + outcome.failure.what};
  }
  return {event, outcome.response->is_success(),
          "health_url answered " + std::to_string(outcome.response->status)};
}

}  // namespace

HealthProbe::HealthProbe(HttpClient& http, Inbox& inbox, UrlOf url_of,
                         std::chrono::milliseconds deadline)
    : http_{http}, inbox_{inbox}, url_of_{std::move(url_of)}, deadline_{deadline} {}

void HealthProbe::probe(const rules::ProbeHealth& probe) {
  HttpRequest request;
  request.url = url_of_(probe.service);
  if (request.url.empty()) {
    inbox_.post(rules::HealthUrlAnswered{
        probe.event, false, "no health_url is configured; set rollback.verify.health_url"});
    return;
  }
  request.deadline = deadline_;
  request.connect_deadline = deadline_;
  // What is asked is whether the service can be reached now, not whether it could a minute ago.
  request.once = true;
  http_.send(std::move(request),
             [&inbox = inbox_, event = probe.event](const HttpOutcome& outcome) {
               inbox.post(answer_of(event, outcome));
             });
}

}  // namespace rollbackd::engine
