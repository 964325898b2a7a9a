#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/asio.hpp"

#include "engine/actions/github_answers.hpp"
#include "engine/actions/github_requests.hpp"
#include "engine/actions/github_runs.hpp"
#include "engine/clock.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// What a server has shown of itself; shared by all that asks it.
struct GithubServer {
  bool gives_details = true;  // knows return_run_details
  int unreachable = 0;        // dispatches in a row that could not be sent
};

// One dispatch of a workflow, from the request, or from a restart, to what the run ended with.
// Reactor thread only. Asks for a dispatch at most once in its life.
class GithubRun : public std::enable_shared_from_this<GithubRun> {
 public:
  struct Parts {
    asio::io_context& reactor;
    HttpClient& http;
    const Clock& clock;
    Inbox& inbox;
    Log& log;
    std::function<void(const rules::EventId&)> over;  // called once, at its end
  };

  GithubRun(Parts parts, GithubSettings settings, std::shared_ptr<GithubServer> server,
            const rules::EventId& event, rules::Instant claimed_at);

  // One of the two, once.
  void dispatch(const rules::Deploy& deploy, SteadyTime leave_by);
  void follow(const std::string& run);

  // Its rollback has ended: what is there, or turns up, is cancelled, and followed for
  // limits::follow_late from now on.
  void become_late();
  // Cancels it as soon as its run is known; its end is told as usual.
  void cancel();

  // The dispatch was asked for and not answered yet.
  [[nodiscard]] bool is_dispatching() const { return dispatching_; }

  // For what does not get as far as a run.
  void end(rules::DeployOutcome outcome, std::string detail, rules::Duration retry_after = {});

 private:
  using Step = void (GithubRun::*)();
  using Answered = void (GithubRun::*)(const HttpOutcome&);

  void send(HttpRequest request, Answered answered);
  void wait(rules::Duration delay, Step then);
  void say(LogLevel level, std::string_view event, const std::string& detail);
  [[nodiscard]] std::string redacted(std::string text) const;
  [[nodiscard]] std::string name() const;

  void dispatched(const HttpOutcome& outcome);

  void look_up(std::string why, rules::Duration first);
  void look();
  void looked(const HttpOutcome& outcome);
  void look_again();
  void found(const std::vector<GithubRunState>& runs);
  void know(const std::string& run, const std::string& url);
  // What it answered, or what was the trouble with it; a wait it asks for is kept.
  Result<GithubRunPage> page_in(const HttpOutcome& outcome);

  void poll();
  void polled(const HttpOutcome& outcome);
  void poll_again(rules::Duration delay);
  void poll_failed(const std::string& trouble);
  void notice(const GithubRunState& state);
  void ended_with(const GithubRunState& state);
  void make_sure();
  void made_sure(const HttpOutcome& outcome);
  void conclude();
  void deadline_passed();

  void cancel_next();
  void cancelled(const HttpOutcome& outcome);

  Parts parts_;
  GithubSettings settings_;
  std::shared_ptr<GithubServer> server_;
  rules::EventId event_;
  rules::Instant claimed_at_;
  asio::steady_timer timer_;
  std::vector<Secret> tokens_;  // that were sent: an answer may bring one into a text
  SteadyTime give_up_at_;
  SteadyTime not_before_;  // nothing is asked before: a rate limit
  bool dispatching_ = false;
  bool asked_for_details_ = false;
  bool late_ = false;
  bool over_ = false;

  // The look-up.
  std::string why_;  // it is looked up
  SteadyTime look_until_;
  rules::Duration look_pause_{};
  std::size_t page_ = 1;
  std::string look_trouble_;  // of the last look

  // The run.
  std::string run_;
  std::string url_;
  std::string etag_;
  std::string status_;
  std::string poll_trouble_;  // of the last poll
  int poll_failures_ = 0;     // in a row
  bool was_listed_ = false;   // it is known to be the first with the marker
  bool has_twin_ = false;
  std::optional<GithubRunState> ended_;
  int sure_tries_ = 0;

  bool cancel_wanted_ = false;
  bool cancelling_ = false;
  std::vector<std::string> to_cancel_;
  int cancel_failures_ = 0;
};

}  // namespace rollbackd::engine
