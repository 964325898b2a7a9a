#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/asio.hpp"

#include "engine/actions/github_run.hpp"
#include "engine/actions/github_token.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// The github executor: a deploy is one run of a workflow. Reactor thread only. A deploy is one
// request, on a connection of its own and never repeated; a run whose number is not known then is
// looked up by its marker. Posts DeployStarted as soon as the run is known, and DeployEnded once.
class Github {
 public:
  using SettingsOf = std::function<GithubExecution(const rules::Service&)>;

  static constexpr std::size_t runs_max = 500;

  // Settings of each service, asked at each deploy.
  Github(asio::io_context& reactor, HttpClient& http, const Clock& clock, Inbox& inbox, Log& log,
         SettingsOf settings_of);
  // Leaves what still runs to itself, as a crash would: follow() of a successor goes on.
  ~Github();
  Github(const Github&) = delete;
  Github& operator=(const Github&) = delete;

  void deploy(const rules::Deploy& deploy);
  // What is followed already goes on; `late` is heeded then, too.
  void follow(const rules::FollowDeploy& follow);
  void cancel(const rules::CancelDeploy& cancel);

  // From now on every deploy is refused; what is followed goes on.
  void stop_starting() { stopping_ = true; }

  [[nodiscard]] std::vector<rules::EventId> running() const;
  // Dispatches that are not answered yet. A program that ends meanwhile has to look them up later.
  [[nodiscard]] std::size_t dispatching_count() const;

 private:
  std::shared_ptr<GithubRun> run_of(const rules::EventId& event, GithubExecution settings,
                                    rules::Instant claimed_at);

  asio::io_context& reactor_;
  HttpClient& http_;
  const Clock& clock_;
  Inbox& inbox_;
  Log& log_;
  SettingsOf settings_of_;
  bool stopping_ = false;
  std::map<std::string, std::shared_ptr<GithubServer>> servers_;  // by api_url
  std::map<rules::EventId, std::shared_ptr<GithubRun>> runs_;
};

}  // namespace rollbackd::engine
