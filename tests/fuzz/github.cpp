// What GitHub, or what sits in front of it, answers to a dispatch and to questions about runs.

#include <algorithm>

#include "engine/actions/github_answers.hpp"
#include "engine/actions/github_requests.hpp"
#include "engine/actions/github_runs.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/answer.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/promises.hpp"

namespace rollbackd::fuzz {
namespace {

constexpr rules::Second now = 1'765'809'300;
constexpr std::size_t detail_bytes_max = 2000;

void look_at_text(std::string_view text) {
  INVARIANT(is_utf8(text) && text.size() <= detail_bytes_max);
  INVARIANT(text.find('\x1b') == std::string_view::npos);
}

void look_at_id(std::string_view id) {
  INVARIANT(!id.empty() && id.size() <= 20);
  INVARIANT(std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

void look_at(const engine::GithubRunState& run) {
  look_at_id(run.id);
  look_at_text(run.status);
  look_at_text(run.url);
  INVARIANT(run.url.empty() || run.url.starts_with("http"));
  INVARIANT(!run.is_over() || !run.conclusion.empty());
  look_at_text(engine::words_of_conclusion(run.conclusion));
  INVARIANT((engine::outcome_of_conclusion(run.conclusion) == rules::DeployOutcome::succeeded) ==
            (run.conclusion == "success"));
}

void look_at(const engine::GithubDispatch& dispatch, int status) {
  using Kind = engine::GithubDispatch::Kind;
  look_at_text(dispatch.detail);
  look_at_text(dispatch.url);
  if (dispatch.kind == Kind::started) {
    look_at_id(dispatch.run);
  }
  INVARIANT((dispatch.kind == Kind::accepted) == (status == 204));
  // Whatever may have started a run is never taken for a no: it would be fired again.
  const bool is_no = dispatch.kind == Kind::refused || dispatch.kind == Kind::not_started;
  INVARIANT(!is_no || (status >= 300 && status < 500));
  INVARIANT(!is_no || !dispatch.detail.empty());
  INVARIANT(dispatch.retry_after >= rules::Duration{} &&
            dispatch.retry_after <= rules::minutes{60});
}

void look_at_runs(const engine::HttpResponse& response) {
  if (const auto run = engine::github_run_in(response)) {
    look_at(*run);
  } else {
    look_at_text(run.error().what);
  }
  if (const auto run = engine::github_dispatched_run_in(response)) {
    look_at_id(run->id);
  }
  const std::string marker = engine::github_marker(rules::EventId{});
  if (const auto page = engine::github_page_in(response, marker)) {
    INVARIANT(page->marked.empty() || response.body.find("display_title") != std::string::npos ||
              response.body.find("\\u") != std::string::npos);
    for (const engine::GithubRunState& run : page->marked) {
      look_at(run);
    }
  }
}

void run(std::string_view input) {
  static const engine::GithubSettings settings = [] {
    engine::GithubSettings usual;
    usual.repository = "acme/shop";
    return usual;
  }();
  engine::HttpOutcome outcome;
  outcome.response = answer_in(input);
  const engine::HttpResponse& response = *outcome.response;
  for (const bool asked : {true, false}) {
    look_at(engine::dispatch_of(outcome, {settings, asked, rules::instant_of(now), 0}),
            response.status);
  }
  if (const auto wait = engine::github_wait(response, rules::instant_of(now))) {
    INVARIANT(response.status == 403 || response.status == 429);
    INVARIANT(*wait >= rules::seconds{1} && *wait <= rules::minutes{60});
  }
  const auto trouble = engine::github_trouble(outcome, settings);
  INVARIANT(trouble.has_value() != response.is_success());
  look_at_text(trouble.value_or(""));
  look_at_runs(response);
}

const Registered target{{"github", run}};

}  // namespace
}  // namespace rollbackd::fuzz
