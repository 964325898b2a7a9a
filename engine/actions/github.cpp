#include "engine/actions/github.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace rollbackd::engine {
namespace {

// Empty: all is set that a dispatch needs.
std::string_view missing_in(const GithubSettings& settings) {
  if (settings.repository.empty()) {
    return "no repository is configured; set rollback.github.repository to owner/name";
  }
  if (settings.workflow.empty()) {
    return "no workflow is configured; set rollback.github.workflow to the name of its file";
  }
  if (settings.token.empty() && settings.token_file.empty()) {
    return "no token is configured; set rollback.github.token_file";
  }
  return {};
}

}  // namespace

Github::Github(asio::io_context& reactor, HttpClient& http, const Clock& clock, Inbox& inbox,
               Log& log, SettingsOf settings_of)
    : reactor_{reactor},
      http_{http},
      clock_{clock},
      inbox_{inbox},
      log_{log},
      settings_of_{std::move(settings_of)} {}

Github::~Github() = default;

std::shared_ptr<GithubRun> Github::run_of(const rules::EventId& event, GithubSettings settings,
                                          rules::Instant claimed_at) {
  auto& server = servers_[settings.api_url];
  if (!server) {
    server = std::make_shared<GithubServer>();
  }
  auto run = std::make_shared<GithubRun>(
      GithubRun::Parts{reactor_, http_, clock_, inbox_, log_,
                       [this](const rules::EventId& ended) { runs_.erase(ended); }},
      std::move(settings), server, event, claimed_at);
  runs_.emplace(event, run);
  return run;
}

void Github::deploy(const rules::Deploy& deploy, SteadyTime leave_by) {
  if (runs_.contains(deploy.event)) {
    // Answering would be taken for the end of the one that runs.
    log_.error("github_asked_twice", {{"event_id", deploy.event.text()}});
    return;
  }
  const bool is_full = runs_.size() >= runs_max;
  const GithubSettings settings = settings_of_(deploy.service);
  const auto run = run_of(deploy.event, settings, deploy.claimed_at);
  if (const std::string_view missing = missing_in(settings); !missing.empty()) {
    run->end(rules::DeployOutcome::not_started, std::string{missing});
  } else if (is_full) {
    run->end(rules::DeployOutcome::refused, std::to_string(runs_max) + " runs are followed already",
             rules::seconds{10});
  } else {
    run->dispatch(deploy, leave_by);
  }
}

void Github::follow(const rules::FollowDeploy& follow) {
  if (const auto known = runs_.find(follow.event); known != runs_.end()) {
    if (follow.late) {
      const auto run = known->second;
      run->become_late();
    }
    return;
  }
  const bool is_full = runs_.size() >= runs_max;
  const auto run = run_of(follow.event, settings_of_(follow.service), follow.claimed_at);
  if (is_full) {
    return run->end(rules::DeployOutcome::unknown,
                    std::to_string(runs_max) + " runs are followed already");
  }
  if (follow.late) {
    run->become_late();
  }
  run->follow(follow.run);
}

void Github::cancel(const rules::CancelDeploy& cancel) {
  auto known = runs_.find(cancel.event);
  if (known != runs_.end()) {
    const auto run = known->second;
    return run->cancel();
  }
  const auto run = run_of(cancel.event, settings_of_(cancel.service), clock_.now());
  run->cancel();
  run->follow(cancel.run);
}

std::vector<rules::EventId> Github::running() const {
  std::vector<rules::EventId> events;
  for (const auto& [event, run] : runs_) {
    events.push_back(event);
  }
  return events;
}

std::size_t Github::lost_with_us() const {
  return static_cast<std::size_t>(std::count_if(runs_.begin(), runs_.end(), [](const auto& entry) {
    return entry.second->is_dispatching();
  }));
}

}  // namespace rollbackd::engine
