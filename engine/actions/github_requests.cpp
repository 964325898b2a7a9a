#include "engine/actions/github_requests.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>

#include <nlohmann/json.hpp>

#include "engine/actions/deploy_values.hpp"
#include "engine/time_text.hpp"
#include "engine/utf8.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::size_t reason_bytes_max = 1000;
// GitHub takes 65,535 characters of inputs in all; what is longer than this is no version.
constexpr std::size_t value_bytes_max = 1000;

// How much earlier than the claim a run may seem to have been created.
constexpr rules::Duration clock_margin = rules::minutes{5};

// No request takes longer, whatever the server does; a question at most this part of `lookup`, so
// that one without an answer leaves time for the next.
constexpr rules::Duration deadline_max = rules::seconds{10};
constexpr int question_part = 4;

// As a part of a path or of a query.
std::string encoded(std::string_view text) {
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string all;
  for (const char c : text) {
    if (plain.find(c) != std::string_view::npos) {
      all.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      all.append({'%', digits[byte >> 4U], digits[byte & 15U]});
    }
  }
  return all;
}

std::string repository_path(const GithubSettings& settings) {
  const std::size_t slash = settings.repository.find('/');
  std::string path = "/repos/" + encoded(settings.repository.substr(0, slash));
  if (slash != std::string::npos) {
    path += '/' + encoded(settings.repository.substr(slash + 1));
  }
  return path;
}

HttpRequest request_of_repository(const GithubSettings& settings, std::string method,
                                  const std::string& path) {
  HttpRequest request;
  request.method = std::move(method);
  request.url = settings.api_url + repository_path(settings) + path;
  // The second type is what GitHub's own description of its API names.
  request.headers = {{"Accept", "application/vnd.github+json, application/json;q=0.9"},
                     {"X-GitHub-Api-Version", "2022-11-28"}};
  const auto patience = request.method == "GET" ? settings.lookup / question_part : settings.lookup;
  request.deadline = std::chrono::ceil<std::chrono::milliseconds>(std::min(deadline_max, patience));
  return request;
}

HttpRequest request_of(const GithubSettings& settings, std::string method,
                       const std::string& path) {
  return request_of_repository(settings, std::move(method), "/actions" + path);
}

std::string one_line(std::string_view text, std::size_t bytes_max) {
  std::string plain = plain_text(text);
  std::replace_if(
      plain.begin(), plain.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return cut_end(plain, bytes_max);
}

}  // namespace

std::string github_marker(const rules::EventId& event) { return "[rb:" + event.text() + ']'; }

Result<HttpRequest> github_dispatch_request(const GithubSettings& settings,
                                            const rules::Deploy& deploy, bool ask_for_details) {
  const DeployValues values = values_of(deploy);
  if (auto unsafe = look_at(values)) {
    return *unsafe;
  }
  auto inputs = nlohmann::json::object();
  for (const DeployValue& each : values) {
    if (each.value.size() > value_bytes_max) {
      return Error{"the " + std::string{each.name} + " is longer than " +
                       std::to_string(value_bytes_max) + " bytes, which GitHub would not take",
                   "correct the row in ops.deployments"};
    }
    inputs[each.name == "event_id" ? "rollback_id" : std::string{each.name}] = each.value;
  }
  inputs["reason"] = one_line(deploy.reason, reason_bytes_max);
  inputs["not_after"] = second_text(rules::second_of(deploy.claimed_at + settings.timeout));
  nlohmann::json body{{"ref", settings.ref}, {"inputs", std::move(inputs)}};
  if (ask_for_details) {
    body["return_run_details"] = true;
  }
  HttpRequest request =
      request_of(settings, "POST", "/workflows/" + encoded(settings.workflow) + "/dispatches");
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  request.once = true;
  return request;
}

HttpRequest github_list_request(const GithubSettings& settings, rules::Instant claimed_at,
                                std::size_t page) {
  const std::string since = ">=" + second_text(rules::second_of(claimed_at - clock_margin));
  return request_of(settings, "GET",
                    "/workflows/" + encoded(settings.workflow) +
                        "/runs?event=workflow_dispatch&created=" + encoded(since) + "&per_page=" +
                        std::to_string(github_page_runs) + "&page=" + std::to_string(page));
}

HttpRequest github_run_request(const GithubSettings& settings, const std::string& run,
                               const std::string& etag) {
  HttpRequest request = request_of(settings, "GET", "/runs/" + encoded(run));
  if (!etag.empty()) {
    request.headers.emplace_back("If-None-Match", etag);
  }
  return request;
}

HttpRequest github_cancel_request(const GithubSettings& settings, const std::string& run) {
  HttpRequest request = request_of(settings, "POST", "/runs/" + encoded(run) + "/cancel");
  request.once = true;
  return request;
}

HttpRequest github_repository_request(const GithubSettings& settings) {
  return request_of_repository(settings, "GET", "");
}

HttpRequest github_workflow_request(const GithubSettings& settings) {
  return request_of(settings, "GET", "/workflows/" + encoded(settings.workflow));
}

HttpRequest github_file_request(const GithubSettings& settings, const std::string& path) {
  std::string parts;
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t slash = std::min(path.find('/', from), path.size());
    parts += "/" + encoded(std::string_view{path}.substr(from, slash - from));
    from = slash + 1;
  }
  HttpRequest request =
      request_of_repository(settings, "GET", "/contents" + parts + "?ref=" + encoded(settings.ref));
  request.headers[0].second = "application/vnd.github.raw+json";
  return request;
}

void add_github_token(HttpRequest& request, const Secret& token) {
  request.headers.emplace_back("Authorization", "Bearer " + token.reveal());
}

}  // namespace rollbackd::engine
