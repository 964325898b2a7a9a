#include "engine/settings_execution.hpp"

#include <algorithm>

#include "engine/settings_values.hpp"

namespace rollbackd::engine {
namespace {

// GitHub's limit of requests an hour is used up by faster polling.
constexpr DurationRange poll_range{rules::Duration{100'000}, rules::minutes{1}};
// Standard Webhooks asks receivers for an answer within 15 to 30 seconds.
constexpr DurationRange webhook_range{rules::seconds{1}, rules::minutes{10}};

const std::vector<std::string_view> placeholders{"event_id", "deployment_id", "environment",
                                                 "service",  "version",       "git_commit"};

void read_duration(const Section& section, std::string_view key, rules::Duration& into,
                   const DurationRange& range) {
  if (const Value* given = section.find(key)) {
    take(into, given->duration(range));
  }
}

void read_argv(const Value& value, std::vector<std::string>& argv) {
  const auto arguments = value.list("a list: the program and its arguments");
  if (!arguments) {
    return;
  }
  if (arguments->empty()) {
    value.object("is empty", "the program and its arguments");
    return;
  }
  std::vector<std::string> given;
  for (const Value& argument : *arguments) {
    const bool is_program = given.empty();
    const std::string text = argument.text(is_program ? "a program" : "an argument").value_or("");
    for (const std::string_view placeholder : placeholders_in(text)) {
      const std::string found = "holds {" + std::string{placeholder} + "}";
      if (is_program) {
        argument.object(found, "a program, which no placeholder may choose");
      } else if (std::find(placeholders.begin(), placeholders.end(), placeholder) ==
                 placeholders.end()) {
        const auto near = closest(placeholder, placeholders);
        argument.object(found, listed(placeholders) +
                                   (near.empty() ? "" : "; did you mean " + shown(near) + "?"));
      }
    }
    given.push_back(text);
  }
  argv = std::move(given);
}

void read_command(const Value& value, CommandExecution& command) {
  const Section section{value, {"argv", "timeout"}};
  if (const Value* argv = section.find("argv")) {
    read_argv(*argv, command.argv);
  }
  read_duration(section, "timeout", command.timeout, from_a_second);
}

// A text that becomes part of a path: nothing in it may end the path's part.
void read_path_part(const Section& section, std::string_view key, std::string& into,
                    std::string_view expected, bool (*is_good)(std::string_view)) {
  const Value* value = section.find(key);
  if (value == nullptr) {
    return;
  }
  if (const auto text = value->text(expected)) {
    if (!is_good(*text)) {
      value->object("is " + shown(*text), expected);
    }
    into = *text;
  }
}

bool is_name(std::string_view text) {
  return !text.empty() && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

bool is_repository(std::string_view text) {
  const std::size_t slash = text.find('/');
  return slash != std::string_view::npos && is_name(text.substr(0, slash)) &&
         is_name(text.substr(slash + 1));
}

bool is_ref(std::string_view text) {
  return !text.empty() && text.front() != '-' &&
         std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

void read_secret_of(const Section& section, const std::string& key, Secret& into,
                    std::filesystem::path* file) {
  const auto given = section.secret(key);
  if (!given) {
    return;
  }
  into = *given;
  const Value* named = section.find(key + "_file");
  if (file != nullptr) {
    *file = named == nullptr
                ? std::filesystem::path{}
                : named->source().folder / named->text("the path of a file").value_or("");
  }
}

void read_github(const Value& value, GithubSettings& github) {
  const Section section{value,
                        {"api_url", "repository", "workflow", "ref", "token", "token_file",
                         "timeout", "poll", "lookup"}};
  if (const Value* url = section.find("api_url")) {
    if (auto text = url->url()) {
      while (!text->empty() && text->back() == '/') {
        text->pop_back();
      }
      github.api_url = *text;
    }
  }
  read_path_part(section, "repository", github.repository, "owner/name", is_repository);
  read_path_part(section, "workflow", github.workflow,
                 "the name of a file in .github/workflows, or a workflow's number", is_name);
  read_path_part(section, "ref", github.ref, "a branch or tag that holds the workflow", is_ref);
  read_secret_of(section, "token", github.token, &github.token_file);
  read_duration(section, "timeout", github.timeout, from_a_second);
  read_duration(section, "poll", github.poll, poll_range);
  read_duration(section, "lookup", github.lookup, from_a_second);
}

void read_webhook(const Value& value, WebhookSettings& webhook) {
  const Section section{value, {"url", "url_file", "secret", "secret_file", "timeout"}};
  if (const auto url = section.secret("url")) {
    const auto objection = objection_to_url(url->reveal());
    if (!objection.empty()) {
      const Value* place = section.find("url");
      (place != nullptr ? place : section.find("url_file"))
          ->object(objection, "an https URL (plain http only to this machine)");
    }
    webhook.url = *url;
  }
  read_secret_of(section, "secret", webhook.secret, nullptr);
  if (const auto objection = objection_to_webhook_secret(webhook.secret.reveal());
      !webhook.secret.empty() && !objection.empty()) {
    const Value* place = section.find("secret");
    (place != nullptr ? place : section.find("secret_file"))
        ->object(objection,
                 "whsec_ and the base64 of 24 to 64 random bytes "
                 "(echo whsec_$(openssl rand -base64 32))");
  }
  read_duration(section, "timeout", webhook.timeout, webhook_range);
}

// An executor that was chosen has to know where to deploy.
void look_for_what_is_missing(const Section& rollback, const ExecutionSettings& execution,
                              const std::string& executor) {
  const Value* chosen = rollback.find("executor");
  if (chosen == nullptr) {
    const bool is_meant =
        executor == "command" && execution.command.argv.empty() &&
        (rollback.find("github") != nullptr || rollback.find("webhook") != nullptr);
    if (is_meant) {
      rollback.whole().object("has no executor, and command is not configured",
                              "executor: github, or executor: webhook");
    }
    return;
  }
  const auto missing = [&](std::string_view key, std::string_view example) {
    chosen->object(
        "is " + executor + ", and rollback." + executor + "." + std::string{key} + " is missing",
        example);
  };
  if (executor == "github" && execution.github.repository.empty()) {
    missing("repository", "repository: owner/name");
  } else if (executor == "github" && execution.github.token.empty()) {
    missing("token_file", "token_file: the file of a token with the right actions: write");
  } else if (executor == "webhook" && execution.webhook.url.empty()) {
    missing("url", "url: https://…, or url_file");
  } else if (executor == "webhook" && execution.webhook.secret.empty()) {
    missing("secret_file", "secret_file: the file of a secret, whsec_…");
  }
}

}  // namespace

void read_execution(const Section& rollback, ExecutionSettings& execution, std::string& executor) {
  if (const Value* chosen = rollback.find("executor")) {
    take(executor, chosen->word<std::string>(
                       {{"command", "command"}, {"github", "github"}, {"webhook", "webhook"}}));
  }
  if (const Value* command = rollback.find("command")) {
    read_command(*command, execution.command);
  }
  if (const Value* github = rollback.find("github")) {
    read_github(*github, execution.github);
  }
  if (const Value* webhook = rollback.find("webhook")) {
    read_webhook(*webhook, execution.webhook);
  }
  if (const Value* role = rollback.find("migration_role")) {
    execution.migration_role =
        role->is_null() ? "" : role->text("the name of a role, or null").value_or("");
  }
  look_for_what_is_missing(rollback, execution, executor);
}

}  // namespace rollbackd::engine
