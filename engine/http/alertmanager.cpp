#include "engine/http/alertmanager.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "engine/clock.hpp"
#include "engine/json_document.hpp"
#include "engine/time_text.hpp"
#include "engine/utf8.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::size_t label_bytes_max = 500;
constexpr std::string_view known_version = "4";
constexpr std::uint64_t cut_off_max = 1'000'000;  // believed of one delivery
// What Go writes for a time that is not set.
constexpr std::string_view no_time = "0001-01-01T00:00:00Z";

// Reads what is asked for; the first thing that is wrong makes the 400, and what is read after it
// means nothing.
class DeliveryReader {
 public:
  std::variant<AlertDelivery, ApiResponse> read(const element& root);

 private:
  void object_to(const std::string& place, std::string_view expected) {
    if (!refusal_) {
      refusal_ =
          refusal(400, "Invalid " + place, place + " has to be " + std::string{expected} + ".");
    }
  }

  std::string_view text(const object& in, std::string_view key, const std::string& place);
  std::string needed(const object& in, std::string_view key, const std::string& place);
  rules::Instant moment(const object& in, std::string_view key, const std::string& place);
  std::string summary_of(const object& alert, const std::string& place);
  std::optional<IncomingAlert> alert_in(const object& alert, const std::string& place);

  std::optional<ApiResponse> refusal_;
};

// Empty: it is not there, null or empty.
std::string_view DeliveryReader::text(const object& in, std::string_view key,
                                      const std::string& place) {
  element value;
  if (in.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) {
    return {};
  }
  std::string_view found;
  if (value.get(found) != simdjson::SUCCESS || found.find('\0') != std::string_view::npos) {
    object_to(place + std::string{key}, "a text without \\u0000");
    return {};
  }
  return found;
}

std::string DeliveryReader::needed(const object& in, std::string_view key,
                                   const std::string& place) {
  const std::string_view found = text(in, key, place);
  if (found.empty() || found.size() > label_bytes_max) {
    object_to(place + std::string{key},
              "a text of 1 to " + std::to_string(label_bytes_max) + " bytes");
  }
  return std::string{found};
}

rules::Instant DeliveryReader::moment(const object& in, std::string_view key,
                                      const std::string& place) {
  const auto parsed = parse_rfc3339(text(in, key, place));
  if (!parsed) {
    object_to(place + std::string{key}, "a time such as 2025-12-15T14:35:00Z");
  }
  return parsed.value_or(rules::Instant{});
}

// The summary, else the description; neither is needed.
std::string DeliveryReader::summary_of(const object& alert, const std::string& place) {
  object annotations;
  if (alert.at_key("annotations").get(annotations) != simdjson::SUCCESS) {
    return {};
  }
  std::string_view found = text(annotations, "summary", place + "annotations.");
  if (found.empty()) {
    found = text(annotations, "description", place + "annotations.");
  }
  return cut_end(plain_text(found), rules::limits::detail_text_max);
}

// Nothing: it is no service's.
std::optional<IncomingAlert> DeliveryReader::alert_in(const object& alert,
                                                      const std::string& place) {
  const std::string status = needed(alert, "status", place);
  if (status != "firing" && status != "resolved") {
    object_to(place + "status", "firing or resolved");
  }
  IncomingAlert read;
  read.fingerprint = needed(alert, "fingerprint", place);
  read.starts_at = moment(alert, "startsAt", place);
  if (status == "resolved") {
    const std::string_view end = text(alert, "endsAt", place);
    read.resolved_at = end.empty() || end == no_time ? wall_now() : moment(alert, "endsAt", place);
  }
  object labels;
  if (alert.at_key("labels").get(labels) != simdjson::SUCCESS) {
    object_to(place + "labels", "an object");
    return std::nullopt;
  }
  const std::string of_labels = place + "labels.";
  read.name = needed(labels, "alertname", of_labels);
  if (text(labels, "environment", of_labels).empty() ||
      text(labels, "service", of_labels).empty()) {
    return std::nullopt;
  }
  read.service = {needed(labels, "environment", of_labels), needed(labels, "service", of_labels)};
  read.summary = summary_of(alert, place);
  return read;
}

std::variant<AlertDelivery, ApiResponse> DeliveryReader::read(const element& root) {
  object body;
  simdjson::dom::array list;
  if (root.get(body) != simdjson::SUCCESS) {
    object_to("body", "a JSON object");
  } else if (needed(body, "version", "") != known_version) {
    object_to("version", "\"4\", that of Alertmanager 0.16 and later");
  } else if (body.at_key("alerts").get(list) != simdjson::SUCCESS) {
    object_to("alerts", "a list of alerts");
  }
  if (refusal_) {
    return *refusal_;
  }
  AlertDelivery delivery;
  std::map<std::string, IncomingAlert> by_fingerprint;
  std::size_t index = 0;
  for (const element entry : list) {
    const std::string name = "alerts[" + std::to_string(index++) + "]";
    object alert;
    if (entry.get(alert) != simdjson::SUCCESS) {
      object_to(name, "an object");
    } else if (auto found = alert_in(alert, name + ".")) {
      by_fingerprint.insert_or_assign(found->fingerprint, std::move(*found));
    } else {
      ++delivery.left_out;
    }
    if (refusal_) {
      return *refusal_;
    }
  }
  // What max_alerts of the receiver has cut off is heard of nowhere else.
  std::uint64_t cut_off = 0;
  if (body.at_key("truncatedAlerts").get(cut_off) == simdjson::SUCCESS) {
    delivery.left_out += static_cast<std::size_t>(std::min(cut_off, cut_off_max));
  }
  for (auto& [fingerprint, alert] : by_fingerprint) {
    delivery.alerts.push_back(std::move(alert));
  }
  return delivery;
}

}  // namespace

std::variant<AlertDelivery, ApiResponse> read_alert_delivery(std::string_view body) {
  const auto parsed = JsonDocument::parse(body);
  if (!parsed) {
    return refusal(400, "Malformed JSON",
                   body.empty()
                       ? "The body is empty; expected what an Alertmanager's webhook sends."
                       : parsed.error().what);
  }
  return DeliveryReader{}.read(parsed->root());
}

}  // namespace rollbackd::engine
