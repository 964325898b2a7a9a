#pragma once

#include <cstddef>
#include <string>

#include "engine/actions/github_settings.hpp"
#include "engine/outgoing/http_client.hpp"
#include "engine/result.hpp"
#include "rules/action.hpp"

// What is asked of GitHub: reference is its REST API of 2022-11-28. No request has its token yet,
// which is added when it is sent.
namespace rollbackd::engine {

// Runs on one page of a list. One takes 12 kB, and a body of more than a megabyte is not read.
inline constexpr std::size_t github_page_runs = 50;

// What the run's name contains, by which a run is known to be this rollback's: "[rb:<id>]".
std::string github_marker(const rules::EventId& event);

// The one dispatch. An error: a value that GitHub, or the workflow, could not take.
Result<HttpRequest> github_dispatch_request(const GithubSettings& settings,
                                            const rules::Deploy& deploy, bool ask_for_details);

// Page `page` (1, 2, …) of the workflow's dispatched runs, newest first, since somewhat before the
// claim: clocks differ.
HttpRequest github_list_request(const GithubSettings& settings, rules::Instant claimed_at,
                                std::size_t page);

// `etag`: of the last answer, so that an unchanged run costs nothing; may be empty.
HttpRequest github_run_request(const GithubSettings& settings, const std::string& run,
                               const std::string& etag);

HttpRequest github_cancel_request(const GithubSettings& settings, const std::string& run);

// Whether the repository is there, the workflow in it, and the text of a file of it at the ref.
HttpRequest github_repository_request(const GithubSettings& settings);
HttpRequest github_workflow_request(const GithubSettings& settings);
HttpRequest github_file_request(const GithubSettings& settings, const std::string& path);

void add_github_token(HttpRequest& request, const Secret& token);

}  // namespace rollbackd::engine
