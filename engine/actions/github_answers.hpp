#pragma once

#include <optional>
#include <string>

#include "engine/actions/github_settings.hpp"
#include "engine/outgoing/http_client.hpp"
#include "rules/time.hpp"

namespace rollbackd::engine {

// What the answer to the one dispatch means, or its absence.
struct GithubDispatch {
  enum class Kind {
    started,      // the run is known
    accepted,     // there will be a run; it has to be looked up
    unknown,      // there may be a run; it has to be looked up
    refused,      // certainly none; it may be asked again after `retry_after`
    not_started,  // certainly none, and asking again would change nothing
  };
  Kind kind = Kind::unknown;
  std::string run;                // of a started one
  std::string url;                // for people; may be empty
  std::string detail;             // what GitHub said and what to fix
  rules::Duration retry_after{};  // of a refused one
  bool no_details = false;        // the server does not know return_run_details
};

struct GithubDispatchContext {
  const GithubSettings& settings;
  bool asked_for_details = true;
  rules::Instant now;
  int unreachable = 0;  // how often in a row the server could not be reached before
};

GithubDispatch dispatch_of(const HttpOutcome& outcome, const GithubDispatchContext& context);

// How long GitHub asks to wait, if this answer does. `now`: to know when a reset is.
std::optional<rules::Duration> github_wait(const HttpResponse& response, rules::Instant now);

// A 2xx is no trouble: nothing. Anything else, or no answer at all, in words, with what to fix.
std::optional<std::string> github_trouble(const HttpOutcome& outcome,
                                          const GithubSettings& settings);

}  // namespace rollbackd::engine
