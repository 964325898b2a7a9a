// A configuration file: settings within their limits, or mistakes that can be printed.

#include "engine/settings.hpp"

#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/promises.hpp"

namespace rollbackd::fuzz {
namespace {

// Of what the configuration may name only files are looked at; these could be endless.
bool names_a_device(std::string_view yaml) {
  for (const std::string_view folder : {"/dev", "/proc", "/sys"}) {
    if (yaml.find(folder) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

void look_at(const engine::GithubSettings& github) {
  INVARIANT(github.timeout > rules::Duration{} && github.poll > rules::Duration{} &&
            github.lookup > rules::Duration{});
  INVARIANT(github.api_url.starts_with("http") && !github.api_url.ends_with('/'));
}

void look_at(const engine::Settings& settings) {
  for (const engine::HttpToken& token : settings.http.tokens) {
    INVARIANT(!token.name.empty() && !token.scopes.empty());
  }
  INVARIANT(settings.max_services <= 10'000);
  look_at(settings.execution.github);
  for (const auto& [environment, execution] : settings.environment_execution) {
    look_at(execution.github);
  }
  for (const auto& [service, execution] : settings.service_execution) {
    look_at(execution.github);
  }
}

void look_at(const std::vector<engine::SettingsProblem>& problems) {
  INVARIANT(!problems.empty());
  for (const engine::SettingsProblem& problem : problems) {
    INVARIANT(problem.line >= 0 && problem.column >= 0);
    INVARIANT(!problem.text.empty() && is_one_line(problem.text));
    INVARIANT(problem.text.find("expected") != std::string::npos);
  }
}

void run(std::string_view input) {
  if (names_a_device(input)) {
    return;
  }
  std::visit([](const auto& loaded) { look_at(loaded); }, engine::read_settings(input));
}

const Registered target{{"settings", run}};

}  // namespace
}  // namespace rollbackd::fuzz
