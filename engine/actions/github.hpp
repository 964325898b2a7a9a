#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/asio.hpp"

#include "engine/actions/executor.hpp"
#include "engine/actions/github_run.hpp"
#include "engine/actions/github_settings.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// The github executor: a deploy is one run of a workflow. Reactor thread only. A deploy is one
// request, on a connection of its own and never repeated; a run whose number is not known then is
// looked up by its marker. Posts DeployStarted as soon as the run is known, and DeployEnded once.
class Github final : public Executor {
 public:
  using SettingsOf = std::function<GithubSettings(const rules::Service&)>;

  static constexpr std::size_t runs_max = 500;

  // Settings of each service, asked at each deploy.
  Github(asio::io_context& reactor, HttpClient& http, const Clock& clock, Inbox& inbox, Log& log,
         SettingsOf settings_of);
  // Leaves what still runs to itself, as a crash would: follow() of a successor goes on.
  ~Github() override;
  Github(const Github&) = delete;
  Github& operator=(const Github&) = delete;

  [[nodiscard]] std::string_view name() const override { return "github"; }
  void deploy(const rules::Deploy& deploy, SteadyTime leave_by = SteadyTime::max()) override;
  // What is followed already goes on; `late` is heeded then, too.
  void follow(const rules::FollowDeploy& follow) override;
  void cancel(const rules::CancelDeploy& cancel) override;

  [[nodiscard]] std::vector<rules::EventId> running() const override;
  // Only a dispatch that is not answered yet: a run is found again.
  [[nodiscard]] std::size_t lost_with_us() const override;

 private:
  std::shared_ptr<GithubRun> run_of(const rules::EventId& event, GithubSettings settings,
                                    rules::Instant claimed_at);

  asio::io_context& reactor_;
  HttpClient& http_;
  const Clock& clock_;
  Inbox& inbox_;
  Log& log_;
  SettingsOf settings_of_;
  std::map<std::string, std::shared_ptr<GithubServer>> servers_;  // by api_url
  std::map<rules::EventId, std::shared_ptr<GithubRun>> runs_;
};

}  // namespace rollbackd::engine
