#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/outgoing/http_client.hpp"
#include "engine/result.hpp"
#include "rules/input.hpp"

namespace rollbackd::engine {

// A run of a workflow as GitHub tells it.
struct GithubRunState {
  std::string id;          // digits
  std::string status;      // queued, in_progress, completed, …
  std::string conclusion;  // of a completed one
  std::string url;         // for people; may be empty

  [[nodiscard]] bool is_over() const { return status == "completed"; }
};

struct GithubRunPage {
  std::vector<GithubRunState> marked;  // whose name has the marker, the lowest id first
  bool is_last = false;
};

// A run_id or workflow_run_id; an error: the answer is not what GitHub answers.
Result<GithubRunState> github_run_in(const HttpResponse& response);
Result<GithubRunState> github_dispatched_run_in(const HttpResponse& response);
Result<GithubRunPage> github_page_in(const HttpResponse& response, std::string_view marker);

// What the end of a run means for the rollback.
rules::DeployOutcome outcome_of_conclusion(std::string_view conclusion);
// And in words, with what to look at: "ended with skipped: no job ran, …".
std::string words_of_conclusion(std::string_view conclusion);

}  // namespace rollbackd::engine
