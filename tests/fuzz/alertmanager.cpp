// The body of POST /alertmanager: alerts that the database takes, or a 400 that says what was
// wrong.

#include "engine/http/alertmanager.hpp"

#include <set>

#include <nlohmann/json.hpp>

#include "engine/time_text.hpp"
#include "rules/invariant.hpp"
#include "rules/limits.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/promises.hpp"

namespace rollbackd::fuzz {
namespace {

using nlohmann::json;

void look_at_text(const std::string& text, std::size_t most) {
  INVARIANT(text.size() <= most && is_utf8(text) && text.find('\0') == std::string::npos);
}

// PostgreSQL reads it as the same moment.
void look_at_moment(rules::Instant moment) {
  INVARIANT(engine::parse_instant(engine::instant_text(moment)) == moment);
}

void look_at(const engine::IncomingAlert& alert) {
  constexpr std::size_t label_bytes_max = 500;
  for (const std::string* text :
       {&alert.fingerprint, &alert.name, &alert.service.environment, &alert.service.name}) {
    INVARIANT(!text->empty());
    look_at_text(*text, label_bytes_max);
  }
  look_at_text(alert.summary, rules::limits::detail_text_max);
  look_at_moment(alert.starts_at);
  if (alert.resolved_at) {
    look_at_moment(*alert.resolved_at);
  }
}

void look_at(const engine::AlertDelivery& delivery, std::string_view input) {
  std::set<std::string> fingerprints;
  for (const engine::IncomingAlert& alert : delivery.alerts) {
    look_at(alert);
    fingerprints.insert(alert.fingerprint);
  }
  INVARIANT(fingerprints.size() == delivery.alerts.size());
  const auto body = engine::JsonDocument::parse(input);
  simdjson::dom::array told;
  INVARIANT(body && body->root()["alerts"].get(told) == simdjson::SUCCESS);
  // What the sender says it has cut off is left out, too.
  std::uint64_t cut_off = 0;
  if (body->root()["truncatedAlerts"].get(cut_off) != simdjson::SUCCESS) {
    cut_off = 0;
  }
  const std::size_t accounted = delivery.alerts.size() + delivery.left_out;
  INVARIANT(accounted <= told.size() || accounted - told.size() <= cut_off);
}

void run(std::string_view input) {
  const auto read = engine::read_alert_delivery(input);
  if (const auto* delivery = std::get_if<engine::AlertDelivery>(&read)) {
    return look_at(*delivery, input);
  }
  const auto& refused = std::get<engine::ApiResponse>(read);
  INVARIANT(refused.status == 400);
  const json body = json::parse(refused.body);
  const auto error = body.at("error").get<std::string>();
  INVARIANT(error == "Malformed JSON" || error.starts_with("Invalid "));
  INVARIANT(!body.at("details").get<std::string>().empty());
  INVARIANT(is_one_line(error) && is_one_line(body.at("details").get<std::string>()));
}

const Registered target{{"alertmanager", run}};

}  // namespace
}  // namespace rollbackd::fuzz
