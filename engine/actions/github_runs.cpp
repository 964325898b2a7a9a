#include "engine/actions/github_runs.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "engine/actions/github_requests.hpp"
#include "engine/json_document.hpp"
#include "engine/utf8.hpp"

namespace rollbackd::engine {
namespace {

using simdjson::dom::element;

constexpr std::size_t word_bytes_max = 100;
constexpr std::size_t url_bytes_max = 500;

Error not_githubs(std::string_view what) {
  return {"the answer is not GitHub's: " + std::string{what},
          "look at what is between rollbackd and rollback.github.api_url"};
}

Result<JsonDocument> document_of(const HttpResponse& response) {
  if (response.body_cut) {
    return not_githubs("it is longer than a megabyte");
  }
  auto document = JsonDocument::parse(response.body);
  return document ? std::move(document) : not_githubs("no JSON, " + document.error().what);
}

// Empty: there is none.
std::string text_of(const element& object, std::string_view key, std::size_t bytes_max) {
  std::string_view text;
  if (object[key].get(text) != simdjson::SUCCESS) {
    return {};
  }
  return cut_end(plain_text(text), bytes_max);
}

std::string url_of(const element& object) {
  std::string url = text_of(object, "html_url", url_bytes_max);
  return url.starts_with("https://") || url.starts_with("http://") ? url : std::string{};
}

// Empty: it is no id.
std::string id_of(const element& object, std::string_view key) {
  std::uint64_t id = 0;
  return object[key].get(id) == simdjson::SUCCESS && id > 0 ? std::to_string(id) : std::string{};
}

Result<GithubRunState> run_of(const element& object) {
  GithubRunState run;
  run.id = id_of(object, "id");
  run.status = text_of(object, "status", word_bytes_max);
  run.conclusion = text_of(object, "conclusion", word_bytes_max);
  run.url = url_of(object);
  if (run.id.empty() || run.status.empty()) {
    return not_githubs("a run without a number or a status");
  }
  if (run.is_over() && run.conclusion.empty()) {
    return not_githubs("a run that is completed and has no conclusion");
  }
  return run;
}

bool has_lower_id(const GithubRunState& a, const GithubRunState& b) {
  return a.id.size() != b.id.size() ? a.id.size() < b.id.size() : a.id < b.id;
}

struct Conclusion {
  std::string_view name;
  std::string_view words;
};

constexpr std::array<Conclusion, 9> conclusions{{
    {"success", "everything in it succeeded"},
    {"failure", "a step of it failed; its log says which and why"},
    {"cancelled", "somebody or something cancelled it"},
    {"timed_out", "a job of it took longer than its timeout-minutes"},
    {"startup_failure",
     "GitHub could not start it: the workflow file has a mistake, which its page "
     "shows"},
    {"action_required",
     "it waits for a person's permission to run; give it on its page, or change "
     "what Actions of the repository ask for"},
    {"stale", "GitHub gave it up, because it made no progress; look at the runners"},
    {"neutral", "it did nothing that counts as success"},
    {"skipped", "no job of it ran; look at the conditions (if:) of the workflow"},
}};

}  // namespace

Result<GithubRunState> github_run_in(const HttpResponse& response) {
  const auto document = document_of(response);
  return document ? run_of(document->root()) : Result<GithubRunState>{document.error()};
}

Result<GithubRunState> github_dispatched_run_in(const HttpResponse& response) {
  const auto document = document_of(response);
  if (!document) {
    return document.error();
  }
  GithubRunState run;
  run.id = id_of(document->root(), "workflow_run_id");
  run.url = url_of(document->root());
  if (run.id.empty()) {
    return not_githubs("no workflow_run_id");
  }
  return run;
}

Result<GithubRunPage> github_page_in(const HttpResponse& response, std::string_view marker) {
  const auto document = document_of(response);
  if (!document) {
    return document.error();
  }
  simdjson::dom::array runs;
  if (document->root()["workflow_runs"].get(runs) != simdjson::SUCCESS) {
    return not_githubs("no workflow_runs");
  }
  GithubRunPage page;
  std::size_t count = 0;
  for (const element& each : runs) {
    ++count;
    std::string_view title;
    if (each["display_title"].get(title) != simdjson::SUCCESS ||
        title.find(marker) == std::string_view::npos) {
      continue;
    }
    auto run = run_of(each);
    if (!run) {
      return run.error();
    }
    page.marked.push_back(std::move(*run));
  }
  page.is_last = count < github_page_runs;
  std::sort(page.marked.begin(), page.marked.end(), has_lower_id);
  return page;
}

rules::DeployOutcome outcome_of_conclusion(std::string_view conclusion) {
  if (conclusion == "success") {
    return rules::DeployOutcome::succeeded;
  }
  return conclusion == "cancelled" ? rules::DeployOutcome::cancelled : rules::DeployOutcome::failed;
}

std::string words_of_conclusion(std::string_view conclusion) {
  const auto known = std::find_if(conclusions.begin(), conclusions.end(),
                                  [&](const Conclusion& c) { return c.name == conclusion; });
  return "ended with " + std::string{conclusion} + ": " +
         std::string{known == conclusions.end() ? "a word that rollbackd does not know"
                                                : known->words};
}

}  // namespace rollbackd::engine
