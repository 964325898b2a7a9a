#include "engine/notify/alert_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <nlohmann/json.hpp>

#include "engine/time_text.hpp"
#include "engine/utf8.hpp"
#include "rules/ids.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

constexpr std::size_t argument_max = 64;

// What ends each hold (DESIGN.md section 4).
struct HoldEnd {
  std::string_view reason;
  std::string_view text;
};

constexpr std::array<HoldEnd, 9> hold_ends{{
    {"latched", "a later deployment of this service"},
    {"paused", "the end of the pause: `rollbackctl resume`"},
    {"breaker_open", "closing the breaker: `rollbackctl resume --breaker ENVIRONMENT`"},
    {"capped", "closing the breaker that this opens"},
    {"cooldown", "itself, within minutes"},
    {"failed_deploy", "itself, ten minutes after the failed deployment"},
    {"others_bad", "the other services becoming well: look for what they share"},
    {"unhealthy_before", "nothing: it was bad before this deployment; a person decides"},
    {"stale", "newer events"},
}};

// It stands in a command that is copied into a shell.
bool is_plain_argument(const std::string& text) {
  return !text.empty() && text.size() <= argument_max && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
                  c == '.';
         });
}

bool is_part_of_word(char c) {
  return std::islower(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool has_word(const std::string& text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_part_of_word(text[at - 1])) &&
        (end == text.size() || !is_part_of_word(text[end]))) {
      return true;
    }
  }
  return false;
}

std::string advice_for_failure(const std::string& ended_by) {
  if (ended_by == "outcome_unknown") {
    return "Nobody knows whether the deploy happened. Look at what serves now, deploy what should "
           "serve, and record it.";
  }
  if (ended_by == "deploy_failed") {
    return "The target was not deployed: the bad version still serves. Deploy a good one by hand.";
  }
  if (ended_by == "still_unhealthy") {
    return "The target serves and is not healthy either: look for a cause outside this deployment.";
  }
  if (ended_by == "migration_failed") {
    return "A migration could not be reverted, and nothing was deployed. Mend the database, say so "
           "in ops.migration_history, and ask again.";
  }
  return "Look at what serves now, and deploy what should serve.";
}

std::string advice_for_hold(const std::string& text, const std::string& deployment) {
  std::string advice = "What ends it:";
  for (const HoldEnd& end : hold_ends) {
    if (has_word(text, end.reason)) {
      advice += "\n• " + std::string{end.reason} + ": " + std::string{end.text};
    }
  }
  if (deployment.empty() || has_word(text, "paused")) {
    return advice;
  }
  return advice + "\n`rollbackctl rollback " + deployment + " --reason …` does not wait for it.";
}

std::string advice_for_proposal(const json& alert, const std::string& event) {
  const auto expires = parse_instant(text_of(alert, "expires_at"));
  return "`rollbackctl approve " + (event.empty() ? "EVENT" : event) +
         " --reason …` makes it happen, after everything was looked at again." +
         (expires ? " Without that it ends at " + instant_text(*expires) + "." : "");
}

std::string advice_for_breaker(const std::string& environment) {
  return "Look at why so much was rolled back. `rollbackctl resume --breaker " +
         (is_plain_argument(environment) ? environment : "ENVIRONMENT") +
         "` closes it. People can roll back meanwhile.";
}

std::string advice_of(const json& alert) {
  const std::string kind = text_of(alert, "kind");
  const std::string event = id_of(alert, "event_id");
  const std::string deployment = id_of(alert, "deployment_id");
  const std::string story =
      event.empty() ? "" : "\n`rollbackctl show " + event + "` tells every step.";
  if (kind == "failed") {
    return advice_for_failure(text_of(alert, "ended_by")) +
           " No automatic rollback of this service happens before a later deployment." + story;
  }
  if (kind == "rejected") {
    return "A person decides: mend what is named above, or look closer." + story +
           (deployment.empty()
                ? ""
                : "\n`rollbackctl rollback " + deployment + " --reason …` asks again.");
  }
  if (kind == "proposed") {
    return advice_for_proposal(alert, event) + story;
  }
  if (kind == "held") {
    return advice_for_hold(text_of(alert, "text"), deployment);
  }
  if (kind == "breaker_opened") {
    return advice_for_breaker(text_of(alert, "environment"));
  }
  if (kind == "late_success") {
    return "Look at what serves now. The rollback stays failed, and no automatic one of this "
           "service "
           "happens before a later deployment." +
           story;
  }
  if (kind == "redeployed") {
    return "If that was not meant, deploy another version. It is watched like any other.";
  }
  if (kind == "paused") {
    return "`rollbackctl resume` ends it; with everything else down, in SQL: `update "
           "ops.control set paused = false`.";
  }
  return kind == "aborted" ? "Look at why it ended." + story : "";
}

}  // namespace

std::string text_of(const json& alert, std::string_view key) {
  const auto found = alert.find(key);
  if (found == alert.end()) {
    return {};
  }
  return found->is_string() ? found->get<std::string>() : "";
}

std::string id_of(const json& alert, std::string_view key) {
  const auto id = rules::EventId::parse(text_of(alert, key));
  return id && *id != rules::EventId{} ? id->text() : "";
}

// As long as the texts above are, this cuts nothing; it keeps the promise should they grow.
std::string advice_for(const json& alert) { return cut_end(advice_of(alert), advice_max); }

}  // namespace rollbackd::engine
