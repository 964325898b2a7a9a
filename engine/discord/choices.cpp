#include "engine/discord/choices.hpp"

#include <algorithm>
#include <cctype>

#include "engine/markdown.hpp"
#include "rules/preconditions.hpp"

namespace rollbackd::engine {
namespace {

// Shorter ones are too easily typed by mistake.
constexpr std::size_t prefix_min = 4;
constexpr std::size_t near_max = 5;  // shown when nothing, or more than one, is meant
constexpr std::size_t short_id = 8;

std::string lowered(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  return text;
}

int need_of(rules::State state) {
  switch (state) {
    case rules::State::proposed:
      return 0;
    case rules::State::firing:
    case rules::State::held:
    case rules::State::rejected:
      return 1;
    case rules::State::watched:
      return 2;
    case rules::State::rolling_back:
    case rules::State::healthy:
    case rules::State::rolled_back:
      return 3;
  }
  return 3;
}

std::string name_of(const rules::Service& service) {
  return service.environment + "/" + service.name;
}

std::string line_of(const rules::ServiceView& service) {
  return service.version + " · " + name_of(service.service) + " · " +
         std::string{rules::name_of(service.state)} + " · " +
         service.deployment.text().substr(0, short_id);
}

bool is_about(const rules::ServiceView& service, const std::string& words) {
  return lowered(service.version).find(words) != std::string::npos ||
         lowered(name_of(service.service)).find(words) != std::string::npos ||
         service.deployment.text().starts_with(words);
}

std::vector<rules::ServiceView> by_need(const View& view) {
  std::vector<rules::ServiceView> services = view.services();
  std::stable_sort(services.begin(), services.end(), [](const auto& a, const auto& b) {
    return need_of(a.state) < need_of(b.state);
  });
  return services;
}

std::string told(const std::vector<rules::ServiceView>& services) {
  std::string text;
  for (std::size_t i = 0; i < std::min(services.size(), near_max); ++i) {
    text += "\n• " + escaped_line(line_of(services[i]), 2 * choice_text_max) + " `" +
            services[i].deployment.text() + "`";
  }
  if (services.size() > near_max) {
    text += "\n… and " + std::to_string(services.size() - near_max) + " more";
  }
  return text;
}

std::vector<rules::Reason> overridable() {
  std::vector<rules::Reason> reasons = rules::all_reasons();
  std::erase_if(reasons, [](rules::Reason reason) { return !rules::may_be_overridden(reason); });
  return reasons;
}

}  // namespace

std::vector<Choice> deployment_choices(const View& view, std::string_view typed) {
  const std::string words = lowered(trimmed(typed));
  std::vector<Choice> choices;
  for (const rules::ServiceView& service : by_need(view)) {
    if (choices.size() < choices_max && is_about(service, words)) {
      choices.push_back({line_of(service), service.deployment.text()});
    }
  }
  return choices;
}

std::vector<Choice> override_choices(std::string_view typed) {
  const std::size_t comma = typed.rfind(',');
  const std::string before{comma == std::string_view::npos ? "" : typed.substr(0, comma + 1)};
  const std::string begun{trimmed(typed.substr(before.size()))};
  std::vector<Choice> choices;
  for (const rules::Reason reason : overridable()) {
    const std::string name{rules::name_of(reason)};
    if (name.starts_with(begun) && before.find(name) == std::string::npos) {
      choices.push_back({before + name, before + name});
    }
  }
  return choices;
}

std::vector<Choice> breaker_choices(const View& view, std::string_view typed) {
  std::vector<Choice> choices;
  if (const auto& control = view.control()) {
    for (const rules::Breaker& breaker : control->breakers) {
      if (breaker.environment.find(trimmed(typed)) != std::string::npos) {
        choices.push_back({breaker.environment, breaker.environment});
      }
    }
  }
  return choices;
}

std::variant<rules::DeploymentId, std::string> deployment_meant(const View& view,
                                                                std::string_view typed) {
  const std::string_view name = trimmed(typed);
  if (const auto id = rules::DeploymentId::parse(name)) {
    return *id;
  }
  const std::string shown = "“" + escaped_line(name, 2 * choice_text_max) + "”";
  const std::vector<rules::ServiceView> services = by_need(view);
  std::vector<rules::ServiceView> meant;
  for (const rules::ServiceView& service : services) {
    const bool begins_so =
        name.size() >= prefix_min && service.deployment.text().starts_with(lowered(name));
    if (begins_so || service.version == name) {
      meant.push_back(service);
    }
  }
  if (meant.size() == 1) {
    return meant.front().deployment;
  }
  if (!meant.empty()) {
    return "❓ " + shown + " is more than one current deployment. Give the id of one:" + told(meant);
  }
  return "❓ No current deployment has the id or version " + shown + "." +
         (services.empty() ? " None is known." : " There are:" + told(services));
}

std::variant<std::vector<rules::Reason>, std::string> overrides_meant(std::string_view typed) {
  std::vector<rules::Reason> reasons;
  std::string known;
  for (const rules::Reason reason : overridable()) {
    known += (known.empty() ? "`" : ", `") + std::string{rules::name_of(reason)} + "`";
  }
  while (!trimmed(typed).empty()) {
    const std::size_t end = std::min(typed.find(','), typed.size());
    const std::string_view name = trimmed(typed.substr(0, end));
    typed.remove_prefix(std::min(end + 1, typed.size()));
    const auto reason = rules::reason_named(name);
    if (!name.empty() && (!reason || !rules::may_be_overridden(*reason))) {
      return "❓ “" + escaped_line(name, choice_text_max) +
             "” cannot be set aside. What can, separated by commas: " + known + ".";
    }
    if (reason && std::find(reasons.begin(), reasons.end(), *reason) == reasons.end()) {
      reasons.push_back(*reason);
    }
  }
  return reasons;
}

}  // namespace rollbackd::engine
