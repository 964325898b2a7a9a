// GithubRun from the moment its run is known.
#include <algorithm>

#include "engine/actions/github_run.hpp"
#include "engine/fail_point.hpp"
#include "rules/limits.hpp"

namespace rollbackd::engine {
namespace {

// A poll that failed is tried again after twice `poll`, then four times, up to this many times.
constexpr int failed_poll_growth = 16;
constexpr int sure_tries_max = 3;
constexpr int cancel_failures_max = 10;
constexpr std::size_t etag_bytes_max = 200;

bool is_lower(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

}  // namespace

void GithubRun::poll() {
  fail_point("poll");
  if (steady_now() < not_before_) {
    return poll_again(not_before_ - steady_now());
  }
  send(github_run_request(settings_, run_, etag_), &GithubRun::polled);
}

void GithubRun::poll_again(rules::Duration delay) {
  const SteadyTime now = steady_now();
  if (now >= give_up_at_) {
    return deadline_passed();
  }
  wait(std::min(delay, give_up_at_ - now), &GithubRun::poll);
}

void GithubRun::polled(const HttpOutcome& outcome) {
  const bool unchanged = outcome.response && outcome.response->status == 304 && !etag_.empty();
  if (!unchanged) {
    if (const auto trouble = github_trouble(outcome, settings_)) {
      if (outcome.response) {
        if (const auto limited = github_wait(*outcome.response, parts_.clock.now())) {
          not_before_ = steady_now() + *limited;
        }
      }
      return poll_failed(*trouble);
    }
    const auto state = github_run_in(*outcome.response);
    if (!state) {
      return poll_failed(state.error().what);
    }
    if (state->id != run_) {
      return poll_failed("GitHub answered with run " + state->id);
    }
    etag_ = outcome.response->header("ETag").value_or("");
    if (etag_.size() > etag_bytes_max) {
      etag_.clear();
    }
    notice(*state);
    if (state->is_over()) {
      return ended_with(*state);
    }
  }
  poll_failures_ = 0;
  poll_trouble_.clear();
  if (cancel_wanted_) {
    cancel_next();
  }
  poll_again(settings_.poll);
}

void GithubRun::poll_failed(const std::string& trouble) {
  poll_trouble_ = trouble;
  say(LogLevel::warning, "github_poll_failed", trouble);
  const int growth = std::min(1 << std::min(++poll_failures_, 10), failed_poll_growth);
  poll_again(std::max(settings_.poll * growth, not_before_ - steady_now()));
}

void GithubRun::notice(const GithubRunState& state) {
  if (url_.empty()) {
    url_ = redacted(state.url);
  }
  if (state.status == status_) {
    return;
  }
  status_ = state.status;
  if (status_ == "waiting") {
    say(LogLevel::warning, "github_run_waiting",
        name() + " waits for somebody to approve it in GitHub, as its environment demands");
  } else {
    say(LogLevel::info, "github_run_is", status_ + ": " + name());
  }
}

// The answer to the dispatch names one run. Should GitHub have made two of it, the workflow does
// nothing in the second, and only the first says how the deploy went. That is asked also of an end
// that the last look before the deadline has seen.
void GithubRun::ended_with(const GithubRunState& state) {
  ended_ = state;
  if (was_listed_ || steady_now() < not_before_) {
    return conclude();
  }
  make_sure();
}

void GithubRun::make_sure() {
  send(github_list_request(settings_, claimed_at_, 1), &GithubRun::made_sure);
}

void GithubRun::made_sure(const HttpOutcome& outcome) {
  const auto page = page_in(outcome);
  if (!page) {
    const bool gives_up = ++sure_tries_ >= sure_tries_max || steady_now() < not_before_;
    return gives_up ? conclude() : wait(settings_.poll, &GithubRun::make_sure);
  }
  if (!page->marked.empty() && is_lower(page->marked.front().id, run_)) {
    return found(page->marked);
  }
  conclude();
}

void GithubRun::conclude() {
  std::string detail = name() + ", " + words_of_conclusion(ended_->conclusion);
  if (has_twin_) {
    detail += ". GitHub had made more than one run of the dispatch; this is the first";
  }
  end(outcome_of_conclusion(ended_->conclusion), std::move(detail));
}

void GithubRun::deadline_passed() {
  std::string detail = name() + ", did not end within " +
                       rules::number_text(rules::in_seconds(late_ ? rules::limits::follow_late
                                                                  : settings_.timeout)) +
                       (late_ ? " s after it was given up" : " s after the claim");
  if (!poll_trouble_.empty()) {
    detail += ", as far as could be read; the last time: " + poll_trouble_;
  } else if (status_ == "waiting") {
    detail += ": it waits for somebody to approve it in GitHub";
  } else if (status_ == "queued" || status_ == "requested" || status_ == "pending") {
    detail += ": it is " + status_ +
              "; look at its runners, and at what its concurrency group "
              "waits for";
  } else if (!status_.empty()) {
    detail += ": it is " + status_;
  }
  end(rules::DeployOutcome::timed_out, std::move(detail));
}

void GithubRun::cancel_next() {
  if (to_cancel_.empty() || cancelling_ || steady_now() < not_before_) {
    return;
  }
  cancelling_ = true;
  fail_point("cancel");
  send(github_cancel_request(settings_, to_cancel_.front()), &GithubRun::cancelled);
}

// A run that cannot be cancelled any more (409) has ended, or is about to.
void GithubRun::cancelled(const HttpOutcome& outcome) {
  cancelling_ = false;
  const int status = outcome.response ? outcome.response->status : 0;
  if (status == 202 || status == 409) {
    say(LogLevel::info, "github_run_cancelled",
        "run " + to_cancel_.front() + (status == 202 ? " is being cancelled" : " ends by itself"));
    to_cancel_.erase(to_cancel_.begin());
    return cancel_next();
  }
  say(LogLevel::warning, "github_cancel_failed",
      "run " + to_cancel_.front() + ": " +
          github_trouble(outcome, settings_).value_or("an answer that means nothing"));
  if (++cancel_failures_ >= cancel_failures_max) {
    to_cancel_.clear();
  }
}

}  // namespace rollbackd::engine
