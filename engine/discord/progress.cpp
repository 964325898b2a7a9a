#include "engine/discord/progress.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/discord/replies.hpp"
#include "engine/discord/texts.hpp"
#include "engine/markdown.hpp"
#include "engine/utf8.hpp"
#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

// In UTF-16 units, escapes included.
constexpr std::size_t shown_name_max = 80;
constexpr std::size_t reason_max = 230;
constexpr std::size_t line_max = 200;
constexpr std::size_t verdict_max = 350;
constexpr std::size_t error_max = 200;
constexpr std::size_t url_max = 150;
constexpr std::size_t words_max = 500;  // our own in one message, with ids, times and the bar

// Deployment, service, target and commit; the reasons of the rollback and of its approval.
static_assert(4 * shown_name_max + 2 * reason_max + verdict_max + error_max + url_max + words_max <=
              content_max);

std::string_view doing(rules::StepName step) {
  switch (step) {
    case rules::StepName::create_pre_rollback_snapshot:
      return "taking a snapshot";
    case rules::StepName::identify_target:
      return "finding the target again";
    case rules::StepName::revert_migrations:
      return "reverting migrations";
    case rules::StepName::mark_rolled_back:
      return "marking the deployment";
    case rules::StepName::trigger_deploy:
      return "starting the deploy";
    case rules::StepName::await_deploy:
      return "deploying";
    case rules::StepName::verify_health:
      return "verifying that the target is healthy";
    case rules::StepName::record_result:
      return "recording the result";
  }
  return "";
}

std::string service_of(const rules::Rollback& rollback) {
  return escaped_line(rollback.service.environment + "/" + rollback.service.name, shown_name_max);
}

std::string deployment_of(const rules::Rollback& rollback) {
  return "Deployment: " + escaped_line(rollback.version, shown_name_max) + " (" +
         rollback.deployment.text().substr(0, 8) + ") of " + service_of(rollback);
}

std::string short_commit(const std::string& commit) {
  const bool is_hash =
      commit.size() > 12 && commit.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_hash ? commit.substr(0, 7) : commit;
}

std::string target_of(const rules::Rollback& rollback) {
  return rollback.target
             ? "Target: " + escaped_line(rollback.target->version, shown_name_max) + " (commit: " +
                   escaped_line(short_commit(rollback.target->git_commit), shown_name_max) + ")"
             : "Target: none";
}

std::string verdict_of(const rules::Validation& validation) {
  std::vector<std::string> lines;
  for (const std::string& text : validation.texts(rules::Outcome::violation)) {
    lines.push_back("• " + escaped_line(text, line_max));
  }
  for (const std::string& text : validation.texts(rules::Outcome::warning)) {
    lines.push_back("⚠️ " + escaped_line(text, line_max));
  }
  std::string text =
      std::string{"Constitutional Validation: "} + (validation.compliant() ? "PASSED" : "REJECTED");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (utf16_length(text) + utf16_length(lines[i]) > verdict_max) {
      return text + "\n… and " + std::to_string(lines.size() - i) + " more";
    }
    text += "\n" + lines[i];
  }
  return text;
}

// Full steps for what has ended or was skipped.
std::string bar_of(const rules::Rollback& rollback) {
  const auto done = static_cast<std::size_t>(
      std::count_if(rollback.steps.begin(), rollback.steps.end(), [](const rules::Step& step) {
        return step.status != rules::StepStatus::pending &&
               step.status != rules::StepStatus::in_progress;
      }));
  std::string bar;
  for (std::size_t i = 0; i < rules::step_count; ++i) {
    bar += i < done ? "▰" : "▱";
  }
  return bar + " " + std::to_string(done) + "/" + std::to_string(rules::step_count);
}

std::string step_of(const rules::Rollback& rollback) {
  for (std::size_t i = 0; i < rules::step_count; ++i) {
    const rules::Step& step = rollback.steps[i];
    if (step.status == rules::StepStatus::in_progress) {
      return " " + std::string{doing(static_cast<rules::StepName>(i))} +
             (step.started_at ? ", begun " + since(rules::second_of(*step.started_at)) : "");
    }
  }
  return "";
}

// From the moment that a person said yes; what it waited for them before is no work.
std::string seconds_of(const rules::Rollback& rollback) {
  const rules::Instant begun = rollback.approved ? rollback.approved->at : rollback.decided_at;
  const double took = rules::in_seconds(*rollback.completed_at - begun);
  return rules::number_text(std::round(std::max(took, 0.0) * 10) / 10) + " seconds";
}

std::string why_of(const rules::Rollback& rollback) {
  std::string error;
  for (const rules::Step& step : rollback.steps) {
    error = step.error.empty() || step.status == rules::StepStatus::success ? error : step.error;
  }
  std::string why = rollback.ended_by ? std::string{rules::name_of(*rollback.ended_by)} : "";
  why += why.empty() || error.empty() ? error : ": " + error;
  return why.empty() ? "" : ": " + escaped_line(why, error_max);
}

std::string end_of(const rules::Rollback& rollback) {
  const std::string took = rollback.completed_at ? " (" + seconds_of(rollback) + ")" : "";
  const std::string show = "\n`rollbackctl show " + rollback.id.text() + "` tells every step.";
  switch (rollback.status) {
    case rules::RollbackStatus::success:
      return "✅ **Rollback complete**" + took;
    case rules::RollbackStatus::failed:
      return "❌ **Rollback failed**" + took + why_of(rollback) +
             "\nLook at what serves now, and deploy what should serve." + show;
    case rules::RollbackStatus::aborted:
      return "⏹️ **Rollback aborted**" + took + why_of(rollback) + show;
    case rules::RollbackStatus::pending:
    case rules::RollbackStatus::in_progress:
      break;
  }
  return "";
}

std::string head_of(const rules::Rollback& rollback) {
  return deployment_of(rollback) + "\nReason: " + escaped_line(rollback.reason, reason_max) + "\n" +
         target_of(rollback) + "\n" + verdict_of(rollback.validation);
}

std::string pause_of(const rules::Pause& pause) {
  return (pause.by.empty() ? "" : " by " + escaped_line(pause.by, shown_name_max)) +
         (pause.since ? " " + since(rules::second_of(*pause.since)) : "") +
         (pause.reason.empty() ? "" : ": " + escaped_line(pause.reason, reason_max));
}

}  // namespace

std::string progress_text(const rules::Rollback& rollback, const std::string& person) {
  const bool has_url = rollback.run_url == escaped_line(rollback.run_url, url_max);
  const bool was_proposed = rollback.asked && rollback.approved;
  const std::string why =
      was_proposed && !rollback.approved->reason.empty()
          ? "\nApproved because: " + escaped_line(rollback.approved->reason, reason_max)
          : "";
  return "✅ **Rollback approved** by " + person + "\n\n" + head_of(rollback) + why +
         "\n\nExecuting rollback…\n" + bar_of(rollback) +
         (rollback.is_over() ? "\n" + end_of(rollback) : step_of(rollback)) +
         (has_url && !rollback.run_url.empty() ? "\nRun: <" + rollback.run_url + ">" : "");
}

std::string refused_text(const rules::Answer& answer, const std::string& person) {
  using Kind = rules::Answer::Kind;
  switch (answer.kind) {
    case Kind::accepted:
    case Kind::dry_run:
      break;
    case Kind::rejected:
    case Kind::no_target:
      return "⛔ **Rollback rejected**, asked for by " + person +
             (answer.rollback ? "\n\n" + head_of(*answer.rollback) : "") +
             "\n\nNothing was changed. Mend what is named, or look closer: `/help rollback`.";
    case Kind::under_way:
      return "🔄 **A rollback of this service is under way already**" +
             (answer.rollback
                  ? "\n\n" + head_of(*answer.rollback) + "\n\n" + bar_of(*answer.rollback) +
                        step_of(*answer.rollback) + "\nEvent: `" + answer.rollback->id.text() + "`"
                  : "");
    case Kind::paused:
      return "⏸️ **Rollbacks are paused**" + pause_of(answer.pause) +
             "\nNothing was changed. `/rollback resume` ends the pause.";
    case Kind::unknown_deployment:
      return "❓ **No such deployment**\nNothing was changed. `/rollback status` shows what "
             "serves.";
    case Kind::no_breaker:
      return "❓ **The breaker of this environment is not open**\nNothing was changed.";
    case Kind::unknown_event:
    case Kind::not_waiting:
    case Kind::dispatched:
      return "❓ **The rollback has gone on meanwhile**\n`/rollback history` shows how it stands.";
    case Kind::unavailable:
      return "⏳ **Not now**: the journal is being read, or could not be written. Look at "
             "`/rollback status` and ask again.";
  }
  UNREACHABLE("a refusal of nothing");
}

}  // namespace rollbackd::engine
