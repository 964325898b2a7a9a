#include "engine/actions/github_run.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/fail_point.hpp"
#include "engine/utf8.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

// Looks come after a sixtieth of `lookup` (1 s of 60), then twice as much, up to eight times.
constexpr int look_parts = 60;
constexpr int look_growth = 8;
// GitHub lists a thousand runs at most.
constexpr std::size_t pages_max = 20;
// Of a token that is replaced again and again; older ones are not valid any more.
constexpr std::size_t tokens_max = 8;

std::string seconds_text(rules::Duration duration) {
  return rules::number_text(rules::in_seconds(duration)) + " s";
}

LogLevel level_of(rules::DeployOutcome outcome) {
  if (outcome == rules::DeployOutcome::succeeded) {
    return LogLevel::info;
  }
  return outcome == rules::DeployOutcome::refused ? LogLevel::warning : LogLevel::error;
}

}  // namespace

GithubRun::GithubRun(Parts parts, GithubSettings settings, std::shared_ptr<GithubServer> server,
                     const rules::EventId& event, rules::Instant claimed_at)
    : parts_{std::move(parts)},
      settings_{std::move(settings)},
      server_{std::move(server)},
      event_{event},
      claimed_at_{claimed_at},
      timer_{parts_.reactor},
      give_up_at_{steady_now() + (claimed_at_ + settings_.timeout - parts_.clock.now())} {}

void GithubRun::send(HttpRequest request, Answered answered) {
  auto token = token_of(settings_);
  if (!token) {
    HttpOutcome outcome;
    outcome.failure = {HttpFailure::Certainty::not_sent, token.error().what, 0};
    return (this->*answered)(outcome);
  }
  add_github_token(request, *token);
  if (std::find(tokens_.begin(), tokens_.end(), *token) == tokens_.end()) {
    tokens_.push_back(std::move(*token));
    if (tokens_.size() > tokens_max) {
      tokens_.erase(tokens_.begin());
    }
  }
  parts_.http.send(std::move(request),
                   [weak = weak_from_this(), answered](const HttpOutcome& outcome) {
                     const auto self = weak.lock();
                     if (self && !self->over_) {
                       (self.get()->*answered)(outcome);
                     }
                   });
}

void GithubRun::wait(rules::Duration delay, Step then) {
  timer_.expires_after(delay);
  timer_.async_wait([weak = weak_from_this(), then](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self && !self->over_ && !error) {
      (self.get()->*then)();
    }
  });
}

void GithubRun::say(LogLevel level, std::string_view event, const std::string& detail) {
  parts_.log.write(level, event, {{"event_id", event_.text()}, {"detail", redacted(detail)}});
}

// An answer can hold what it was asked with.
std::string GithubRun::redacted(std::string text) const {
  constexpr std::string_view instead = "(token)";
  for (const Secret& token : tokens_) {
    std::size_t at = token.empty() ? std::string::npos : text.find(token.reveal());
    while (at != std::string::npos) {
      text.replace(at, token.reveal().size(), instead);
      at = text.find(token.reveal(), at + instead.size());
    }
  }
  return text;
}

std::string GithubRun::name() const {
  std::string text = "run " + run_ + " of " + settings_.workflow + " in " + settings_.repository;
  return url_.empty() ? text : text + ", " + url_;
}

void GithubRun::end(rules::DeployOutcome outcome, std::string detail, rules::Duration retry_after) {
  over_ = true;
  timer_.cancel();
  detail = cut_end(plain_text(redacted(std::move(detail))), rules::limits::detail_text_max);
  parts_.log.write(level_of(outcome), "github_ended",
                   {{"event_id", event_.text()}, {"detail", detail}});
  parts_.inbox.post(rules::DeployEnded{event_, outcome, std::move(detail), retry_after});
  parts_.over(event_);
}

void GithubRun::dispatch(const rules::Deploy& deploy, SteadyTime leave_by) {
  asked_for_details_ = server_->gives_details;
  auto request = github_dispatch_request(settings_, deploy, asked_for_details_);
  if (!request) {
    return end(rules::DeployOutcome::not_started,
               request.error().what + "; " + request.error().remedy);
  }
  request->leave_by = leave_by;
  dispatching_ = true;
  send(std::move(*request), &GithubRun::dispatched);
}

void GithubRun::dispatched(const HttpOutcome& answered) {
  dispatching_ = false;
  HttpOutcome outcome = answered;
  if (fail_point("request_answered")) {
    outcome = {};
    outcome.failure = {HttpFailure::Certainty::unknown, "a fail point took the answer away", 0};
  }
  const GithubDispatch dispatch = dispatch_of(
      outcome, {settings_, asked_for_details_, parts_.clock.now(), server_->unreachable});
  const bool not_sent =
      !outcome.response && outcome.failure.certainty == HttpFailure::Certainty::not_sent;
  server_->unreachable = not_sent ? server_->unreachable + 1 : 0;
  if (dispatch.no_details) {
    server_->gives_details = false;
  }
  switch (dispatch.kind) {
    case GithubDispatch::Kind::started:
      know(dispatch.run, dispatch.url);
      poll_again(settings_.poll);
      return;
    case GithubDispatch::Kind::accepted:
      return look_up("GitHub accepted the dispatch without naming its run", {});
    case GithubDispatch::Kind::unknown:
      say(LogLevel::warning, "github_dispatch_unknown", dispatch.detail);
      return look_up("whether the dispatch was accepted is unknown: " + dispatch.detail, {});
    case GithubDispatch::Kind::refused:
      return end(rules::DeployOutcome::refused, dispatch.detail, dispatch.retry_after);
    case GithubDispatch::Kind::not_started:
      return end(rules::DeployOutcome::not_started, dispatch.detail);
  }
}

void GithubRun::follow(const std::string& run) {
  if (run.empty()) {
    return look_up("the daemon stopped between the claim and the answer to the dispatch", {});
  }
  run_ = run;
  to_cancel_.push_back(run);
  if (cancel_wanted_) {
    cancel_next();
  }
  poll();
}

// The first look is made at once only where the run may have been there for long.
void GithubRun::look_up(std::string why, rules::Duration first) {
  why_ = std::move(why);
  look_until_ = late_ ? give_up_at_ : steady_now() + settings_.lookup;
  look_pause_ = std::max(settings_.lookup / look_parts, rules::Duration{1000});
  wait(first, &GithubRun::look);
}

void GithubRun::look() {
  fail_point("look_up");
  page_ = 1;
  if (steady_now() < not_before_) {
    return look_again();
  }
  send(github_list_request(settings_, claimed_at_, page_), &GithubRun::looked);
}

Result<GithubRunPage> GithubRun::page_in(const HttpOutcome& outcome) {
  if (const auto trouble = github_trouble(outcome, settings_)) {
    if (outcome.response) {
      if (const auto limited = github_wait(*outcome.response, parts_.clock.now())) {
        not_before_ = steady_now() + *limited;
      }
    }
    return Error{*trouble, {}};
  }
  return github_page_in(*outcome.response, github_marker(event_));
}

void GithubRun::looked(const HttpOutcome& outcome) {
  const auto page = page_in(outcome);
  look_trouble_ = page ? "" : page.error().what;
  if (!page) {
    say(LogLevel::warning, "github_look_up_failed", look_trouble_);
    return look_again();
  }
  if (!page->marked.empty()) {
    return found(page->marked);
  }
  if (page->is_last || page_ >= pages_max) {
    return look_again();
  }
  ++page_;
  send(github_list_request(settings_, claimed_at_, page_), &GithubRun::looked);
}

void GithubRun::look_again() {
  const SteadyTime now = steady_now();
  if (now < look_until_) {
    const rules::Duration pause = std::max(look_pause_, not_before_ - now);
    const auto longest = late_ ? settings_.lookup / 2 : settings_.lookup / look_parts * look_growth;
    look_pause_ = std::max(std::min(look_pause_ * 2, longest), rules::Duration{1000});
    return wait(std::min(pause, look_until_ - now), &GithubRun::look);
  }
  std::string detail = why_ + "; no run with " + github_marker(event_) +
                       " in its name appeared within " +
                       seconds_text(late_ ? rules::limits::follow_late : settings_.lookup);
  if (!look_trouble_.empty()) {
    detail += ", and the last look failed: " + look_trouble_;
  } else {
    detail += ". Look at the runs of " + settings_.workflow + " in " + settings_.repository +
              "; if there is one, its run-name lacks [rb:${{ inputs.rollback_id }}]";
  }
  end(rules::DeployOutcome::unknown, std::move(detail));
}

// The workflow does nothing in all but the first.
void GithubRun::found(const std::vector<GithubRunState>& runs) {
  was_listed_ = true;
  has_twin_ = runs.size() > 1;
  for (std::size_t i = 1; i < runs.size(); ++i) {
    to_cancel_.push_back(runs[i].id);
    say(LogLevel::warning, "github_two_runs",
        "GitHub made run " + runs[i].id + " besides run " + runs.front().id +
            " of one dispatch; the first is followed");
  }
  know(runs.front().id, runs.front().url);
  poll();
}

void GithubRun::know(const std::string& run, const std::string& url) {
  run_ = run;
  url_ = redacted(url);
  etag_.clear();
  to_cancel_.push_back(run);
  say(LogLevel::info, "github_run", name());
  parts_.inbox.post(rules::DeployStarted{event_, redacted(name()), run_, url_});
  if (cancel_wanted_) {
    cancel_next();
  }
}

void GithubRun::become_late() {
  if (late_) {
    return;
  }
  fail_point("follow_late");
  late_ = true;
  give_up_at_ = steady_now() + rules::limits::follow_late;
  look_until_ = give_up_at_;
  cancel();
}

void GithubRun::cancel() {
  cancel_wanted_ = true;
  cancel_next();
}

}  // namespace rollbackd::engine
