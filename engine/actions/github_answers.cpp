#include "engine/actions/github_answers.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "engine/actions/github_runs.hpp"
#include "engine/actions/unreachable.hpp"
#include "engine/json_document.hpp"
#include "engine/outgoing/url.hpp"
#include "engine/utf8.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::size_t message_bytes_max = 300;
constexpr std::string_view details_field = "return_run_details";

// For a limit that does not say for how long.
constexpr rules::Duration wait_usual = rules::seconds{60};
constexpr rules::Duration wait_min = rules::seconds{1};
constexpr rules::Duration wait_max = rules::minutes{60};

// A part of GitHub's message and what to do about it. The first that fits.
struct Remedy {
  int status;  // 0: any
  std::string_view part;
  std::string_view text;
};

constexpr std::array<Remedy, 24> remedies{{
    {401, "",
     "the token is wrong, revoked or expired: put a valid one where "
     "rollback.github.token or token_file says"},
    {403, "archived",
     "the repository is archived and read-only: unarchive it, or set "
     "rollback.github.repository to the one that deploys now"},
    {403, "SAML", "authorize the token for the organization's single sign-on"},
    {403, "IP allow list", "add this machine's address to the organization's IP allow list"},
    {403, "disabled", "enable Actions in the repository's settings"},
    {403, "",
     "the token lacks the permission: a fine-grained token or an App needs Actions: read "
     "and write on this repository, a classic token the scope repo and write access"},
    {404, "",
     "check that rollback.github.repository is right, that the file "
     "rollback.github.workflow is in .github/workflows of its default branch, and that "
     "the token may see the repository (fine-grained: Actions: read and write on it; "
     "classic: the scope repo)"},
    {422, "No ref found", "rollback.github.ref names no branch and no tag of the repository"},
    {422, "'workflow_dispatch' trigger",
     "the workflow has no workflow_dispatch under on: in the file of rollback.github.ref; take "
     "over config/github/rollback.yml"},
    {422, "Unexpected inputs",
     "the workflow does not declare these inputs; it needs rollback_id, environment, service, "
     "version, git_commit, deployment_id, reason and not_after: take over "
     "config/github/rollback.yml"},
    {422, "Required input",
     "the workflow demands an input that rollbackd does not give; give it a default or "
     "required: false"},
    {422, "disabled workflow", "enable the workflow on its page under Actions"},
    {422, "is disabled", "enable Actions, and this workflow, on the repository's pages"},
    {422, "not in the list",
     "an input of the workflow is of type choice and does not offer this value: make it a string"},
    {422, "too large", "the inputs are too large: shorten version, git_commit or reason"},
    {422, "workflow file", "the workflow's file has a mistake: its page under Actions shows it"},
    {422, "",
     "the workflow does not take this dispatch; compare it with "
     "config/github/rollback.yml"},
    {400, "parsing JSON", "something in between changed the request; look at the proxy"},
    {400, "", "the server does not take the request; look at rollback.github.api_url"},
    {405, "",
     "rollback.github.api_url is not the API's: https://api.github.com, or "
     "https://HOST/api/v3 of a GitHub Enterprise Server"},
    {407, "", "the proxy in between wants a login; look at https_proxy"},
    {410, "", "the repository's Actions are gone: look at its page"},
    {413, "", "the inputs are too large: shorten version, git_commit or reason"},
    {451, "", "the repository is blocked for legal reasons: look at its page"},
}};

// Statuses that only say no. Of others, 408 for one, what is in between may speak, after the
// request had gone through.
constexpr std::array<int, 14> certain_no{400, 401, 403, 404, 405, 406, 407,
                                         410, 411, 413, 415, 422, 429, 451};

bool is_certain_no(int status) {
  return std::find(certain_no.begin(), certain_no.end(), status) != certain_no.end();
}

// GitHub's own words, with the first of its `errors`, if they are there.
std::string message_in(const HttpResponse& response) {
  const auto document = JsonDocument::parse(response.body);
  std::string_view message;
  if (!document || document->root()["message"].get(message) != simdjson::SUCCESS) {
    return {};
  }
  std::string text{message};
  const auto errors = document->root()["errors"];
  std::string_view first;
  if (errors.at(0).get(first) == simdjson::SUCCESS ||
      errors.at(0)["message"].get(first) == simdjson::SUCCESS ||
      errors.get(first) == simdjson::SUCCESS) {
    text.append(": ").append(first);
  }
  return cut_end(plain_text(text), message_bytes_max);
}

std::string_view remedy_of(int status, std::string_view message) {
  for (const Remedy& each : remedies) {
    if (each.status == status && message.find(each.part) != std::string_view::npos) {
      return each.text;
    }
  }
  return {};
}

bool is_redirect(int status) { return status >= 300 && status < 400 && status != 304; }

std::string redirect_words(const HttpResponse& response, const GithubSettings& settings) {
  const std::string target{response.header("Location").value_or("")};
  const std::string text = "GitHub answered " + std::to_string(response.status) +
                           ", a redirect, and rollbackd follows none";
  const auto to = parse_url(target);
  const auto from = parse_url(settings.api_url);
  if (target.starts_with('/') || (to && from && to->origin == from->origin)) {
    return text +
           ": the repository was renamed or moved; set rollback.github.repository to its "
           "name of today";
  }
  // Not one that rollbackd would ask, so its host is taken from the text.
  std::string host = to ? to->origin : target.substr(0, target.find('/', target.find("//") + 2));
  host = cut_end(plain_text(host), message_bytes_max);
  return text + ": it leads to another host, " + (host.empty() ? "which it does not name" : host) +
         "; the token was not sent there. Look at rollback.github.api_url and at what is in "
         "between";
}

std::optional<std::int64_t> number_in(std::optional<std::string_view> text) {
  std::int64_t number = 0;
  if (!text) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const bool is_number = error == std::errc{} && end == text->data() + text->size();
  return is_number && number >= 0 ? std::optional{number} : std::nullopt;
}

rules::Duration bounded_wait(rules::Second wait) {
  constexpr rules::Second longest = std::chrono::duration_cast<rules::seconds>(wait_max).count();
  return std::max(wait_min, rules::Duration{rules::seconds{std::min(wait, longest)}});
}

bool speaks_of_a_limit(const HttpResponse& response) {
  const std::string message = message_in(response);
  return message.find("rate limit") != std::string::npos ||
         message.find("abuse detection") != std::string::npos;
}

GithubDispatch run_of(const HttpResponse& response) {
  GithubDispatch dispatch;
  const auto run = github_dispatched_run_in(response);
  if (run) {
    dispatch.kind = GithubDispatch::Kind::started;
    dispatch.run = run->id;
    dispatch.url = run->url;
  } else {
    dispatch.detail = "GitHub answered 200, but " + run.error().what;
  }
  return dispatch;
}

GithubDispatch not_sent(const HttpOutcome& outcome, int unreachable) {
  GithubDispatch dispatch;
  dispatch.kind = GithubDispatch::Kind::refused;
  dispatch.detail = outcome.failure.what;
  dispatch.retry_after = pause_after_unreachable(unreachable);
  return dispatch;
}

}  // namespace

std::optional<rules::Duration> github_wait(const HttpResponse& response, rules::Instant now) {
  if (response.status != 403 && response.status != 429) {
    return std::nullopt;
  }
  if (const auto after = number_in(response.header("Retry-After"))) {
    return bounded_wait(*after);
  }
  if (response.header("X-RateLimit-Remaining") == "0") {
    const auto reset = number_in(response.header("X-RateLimit-Reset"));
    // One more, because the second of the reset is not over when it begins.
    return reset ? bounded_wait(*reset - rules::second_of(now) + 1) : wait_usual;
  }
  const bool is_limit = response.status == 429 || speaks_of_a_limit(response);
  return is_limit ? std::optional{wait_usual} : std::nullopt;
}

std::optional<std::string> github_trouble(const HttpOutcome& outcome,
                                          const GithubSettings& settings) {
  if (!outcome.response) {
    return outcome.failure.what;
  }
  const HttpResponse& response = *outcome.response;
  if (response.is_success()) {
    return std::nullopt;
  }
  if (is_redirect(response.status)) {
    return redirect_words(response, settings);
  }
  const std::string message = message_in(response);
  std::string text = "GitHub answered " + std::to_string(response.status);
  if (!message.empty()) {
    text += ", " + message;
  }
  if (const std::string_view remedy = remedy_of(response.status, message); !remedy.empty()) {
    text.append("; ").append(remedy);
  }
  return text;
}

GithubDispatch dispatch_of(const HttpOutcome& outcome, const GithubDispatchContext& context) {
  if (!outcome.response && outcome.failure.certainty == HttpFailure::Certainty::not_sent) {
    return not_sent(outcome, context.unreachable);
  }
  if (outcome.response && outcome.response->status == 200) {
    return run_of(*outcome.response);
  }
  GithubDispatch dispatch;
  dispatch.detail = github_trouble(outcome, context.settings).value_or("");
  if (!outcome.response) {
    return dispatch;
  }
  const HttpResponse& response = *outcome.response;
  const int status = response.status;
  if (status == 204) {
    dispatch.kind = GithubDispatch::Kind::accepted;
  } else if (response.is_success()) {
    dispatch.detail =
        "GitHub answered " + std::to_string(status) + ", which is no answer to a dispatch";
  } else if (const auto wait = github_wait(response, context.now)) {
    dispatch.kind = GithubDispatch::Kind::refused;
    dispatch.retry_after = *wait;
    dispatch.detail = "GitHub answered " + std::to_string(status) + " and asks to wait: " +
                      (message_in(response).empty() ? "a rate limit" : message_in(response));
  } else if ((status == 400 || status == 422) && context.asked_for_details &&
             response.body.find(details_field) != std::string::npos) {
    dispatch.kind = GithubDispatch::Kind::refused;
    dispatch.no_details = true;
    dispatch.detail = "this server does not know return_run_details; it is left out from now on";
  } else if (is_redirect(status) || is_certain_no(status)) {
    dispatch.kind = GithubDispatch::Kind::not_started;
  }
  return dispatch;
}

}  // namespace rollbackd::engine
