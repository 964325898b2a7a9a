// Whether the workflow that deploys is there and can be started, without starting it.

#include <algorithm>

#include <nlohmann/json.hpp>

#include "engine/actions/github_answers.hpp"
#include "engine/actions/github_requests.hpp"
#include "engine/doctor/checks.hpp"
#include "engine/doctor/workflow_file.hpp"
#include "rules/ids.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

constexpr const char* ours = "take over config/github/rollback.yml, with your own commands in it";

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

// The names of the inputs that a dispatch really gives.
std::set<std::string> given_inputs(const GithubSettings& settings) {
  rules::Deploy deploy;
  deploy.service = {"production", "app"};
  deploy.version = "v1";
  deploy.git_commit = "c1";
  const auto request = github_dispatch_request(settings, deploy, false);
  std::set<std::string> names;
  if (request) {
    const json inputs = json::parse(request->body).value("inputs", json::object());
    for (const auto& [name, value] : inputs.items()) {
      names.insert(name);
    }
  }
  return names;
}

// One question after the other, with the token.
class Examined {
 public:
  Examined(const Deploying& whose, Secret token)
      : whose_{whose.whose}, settings_{whose.execution.github}, token_{std::move(token)} {}

  Findings look() {
    if (const auto trouble = ask(github_repository_request(settings_))) {
      return {failed(named(settings_.repository) + ": " + *trouble, "")};
    }
    if (const auto trouble = ask(github_workflow_request(settings_))) {
      return {failed(named("the workflow " + settings_.workflow) + ": " + *trouble, "")};
    }
    const json workflow = json::parse(answer_, nullptr, false);
    const std::string state = workflow.is_object() ? workflow.value("state", "") : "";
    Findings found;
    if (state != "active") {
      found.push_back(failed(named("the workflow " + settings_.workflow) + " is " +
                                 (state.empty() ? "in no state that GitHub tells" : state),
                             "enable it on its page under Actions"));
    }
    const std::string path = workflow.is_object() ? workflow.value("path", "") : "";
    const Findings more = look_at_file(path);
    found.insert(found.end(), more.begin(), more.end());
    return found;
  }

 private:
  [[nodiscard]] std::string named(const std::string& what) const {
    return what + " of " + settings_.repository + " (" + whose_ + ")";
  }

  // What is wrong, in words with what to do; nothing: `answer_` has the body.
  std::optional<std::string> ask(HttpRequest request) {
    add_github_token(request, token_);
    const HttpOutcome outcome = ask_and_wait(std::move(request));
    answer_ = outcome.response ? outcome.response->body : "";
    return github_trouble(outcome, settings_);
  }

  Findings look_at_file(const std::string& path) {
    if (path.empty()) {
      return {warning(named("the file of " + settings_.workflow) + " is not told", "")};
    }
    if (const auto trouble = ask(github_file_request(settings_, path))) {
      return {warning(named(path) + " cannot be read at " + settings_.ref +
                          ", so that its inputs are not known: " + *trouble,
                      "rollback.github.ref has to name a branch or tag with this file; to have it "
                      "looked at, give the token Contents: read")};
    }
    const WorkflowFile file = read_workflow(answer_, given_inputs(settings_));
    if (!file.is_yaml) {
      return {failed(named(path) + " is no YAML", ours)};
    }
    if (!file.has_dispatch) {
      return {failed(named(path) + " has no workflow_dispatch under on:", ours)};
    }
    Findings found;
    if (!file.undeclared.empty()) {
      found.push_back(failed(named(path) + " does not declare the inputs " +
                                 joined(file.undeclared) + ": GitHub refuses to start it",
                             ours));
    }
    if (!file.demanded.empty()) {
      found.push_back(failed(
          named(path) + " demands " + joined(file.demanded) + ", which rollbackd does not give",
          "give them a default, or required: false"));
    }
    if (!file.has_marker) {
      found.push_back(warning(named(path) + " has no [rb:${{ inputs.rollback_id }}] in its "
                                            "run-name: a run whose start was not answered is not "
                                            "found again",
                              ours));
    }
    if (found.empty()) {
      found.push_back(fine(named(settings_.workflow) + " is active at " + settings_.ref +
                           " and takes our inputs; whether the token may start it shows when it "
                           "does"));
    }
    return found;
  }

  std::string whose_;
  GithubSettings settings_;
  Secret token_;
  std::string answer_;
};

}  // namespace

Findings check_github(Patient& patient) {
  Findings found;
  std::vector<GithubSettings> seen;
  for (const Deploying& each : deploying(patient.settings)) {
    const GithubSettings& settings = each.execution.github;
    if (each.policy.executor != "github" ||
        std::find(seen.begin(), seen.end(), settings) != seen.end()) {
      continue;
    }
    seen.push_back(settings);
    auto token = token_of(settings);
    if (!token) {
      found.push_back(failed(token.error().what, token.error().remedy));
      continue;
    }
    for (Finding& finding : Examined{each, std::move(*token)}.look()) {
      found.push_back(std::move(finding));
    }
  }
  if (found.empty()) {
    found.push_back(skipped("nobody has the executor github"));
  }
  return found;
}

}  // namespace rollbackd::engine
