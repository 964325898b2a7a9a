#include "engine/app_inspect.hpp"

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "engine/doctor/doctor.hpp"
#include "engine/foreign_json.hpp"
#include "engine/settings_text.hpp"
#include "engine/store/inquiry.hpp"
#include "engine/terminal/deployment_text.hpp"
#include "engine/terminal/json_parts.hpp"
#include "engine/terminal/near.hpp"
#include "engine/terminal/rollback_text.hpp"
#include "engine/terminal/screen.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;
using terminal::Colour;
using terminal::printable;

enum ExitCode : int { exit_ok = 0, exit_failed = 1, exit_config = 78 };

std::string dumped(const json& value, int indent = -1) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

json problems_json(const std::vector<SettingsProblem>& problems) {
  json all = json::array();
  for (const SettingsProblem& problem : problems) {
    all.push_back({{"line", problem.line}, {"column", problem.column}, {"text", problem.text}});
  }
  return all;
}

std::string finding_lines(const Finding& finding) {
  constexpr std::size_t word_width = 9;
  constexpr std::size_t check_width = 22;
  const bool is_failed = finding.health == Health::failed;
  const std::string word = is_failed ? "FAILED" : std::string{name_of(finding.health)};
  const auto padded = [](const std::string& text, std::size_t width) {
    return std::string(width - std::min(width, text.size()), ' ');
  };
  std::string lines = terminal::word(word) + padded(word, word_width) + finding.check +
                      padded(finding.check, check_width) + " " + printable(finding.text) + "\n";
  if (!finding.remedy.empty() && finding.health != Health::ok) {
    lines += std::string(word_width, ' ') + "→ " + printable(finding.remedy) + "\n";
  }
  return lines;
}

std::string summary(const Findings& findings) {
  std::map<Health, int> counts;
  for (const Finding& finding : findings) {
    ++counts[finding.health];
  }
  const int failures = counts[Health::failed];
  return std::to_string(counts[Health::ok]) + " ok, " + std::to_string(counts[Health::warning]) +
         " warnings, " + std::to_string(counts[Health::skipped]) + " skipped, " +
         terminal::coloured(failures == 0 ? Colour::green : Colour::red,
                            std::to_string(failures) + " failed") +
         "\n";
}

json findings_json(const Findings& findings, bool is_well) {
  json all = json::array();
  for (const Finding& finding : findings) {
    all.push_back({{"check", finding.check},
                   {"outcome", name_of(finding.health)},
                   {"text", finding.text},
                   {"remedy", finding.remedy.empty() ? json(nullptr) : json(finding.remedy)}});
  }
  return {{"ok", is_well}, {"findings", std::move(all)}};
}

// Threads of checks that hang are still there.
[[noreturn]] void leave(int code) {
  std::cout << std::flush;
  ::_exit(code);
}

[[noreturn]] void report_bad_config(const std::filesystem::path& file,
                                    const std::vector<SettingsProblem>& problems, bool as_json) {
  Findings findings;
  for (const SettingsProblem& problem : problems) {
    Finding finding = failed(describe(file, problem),
                             "correct it; nothing else can be looked at before, and no daemon "
                             "starts with it");
    finding.check = "configuration";
    findings.push_back(std::move(finding));
  }
  if (as_json) {
    std::cout << dumped(findings_json(findings, false)) << '\n';
  } else {
    for (const Finding& finding : findings) {
      std::cout << finding_lines(finding);
    }
    std::cout << summary(findings);
  }
  leave(exit_config);
}

json triggers_json(const rules::TriggerTable& table) {
  json rows = json::array();
  for (const rules::Trigger& trigger : table) {
    rows.push_back({{"name", trigger.name},
                    {"signal", name_of(trigger.signal)},
                    {"window_seconds", trigger.window},
                    {"above", trigger.above}});
  }
  return rows;
}

int no_such_thing(const std::string& name, const json& known) {
  const std::vector<std::string> near = terminal::near_matches(name, known);
  std::cerr << "rollbackd: no rollback and no deployment, or more than one, is called "
            << printable(name)
            << (near.empty() ? "; the database knows of none at all\n" : ". There are:\n");
  for (const std::string& line : near) {
    std::cerr << "  " << line << '\n';
  }
  return exit_failed;
}

}  // namespace

int inspect_config(const std::filesystem::path& file, bool as_json) {
  const LoadedSettings loaded = load_settings(file);
  if (const auto* problems = std::get_if<std::vector<SettingsProblem>>(&loaded)) {
    if (as_json) {
      std::cout << dumped({{"ok", false}, {"problems", problems_json(*problems)}}) << '\n';
    } else {
      for (const SettingsProblem& problem : *problems) {
        std::cerr << describe(file, problem) << '\n';
      }
    }
    return exit_config;
  }
  const auto& settings = std::get<Settings>(loaded);
  const std::string yaml =
      settings_yaml(settings, shown_conninfo({settings.database.conninfo.reveal(), {}}));
  if (as_json) {
    std::cout << dumped({{"ok", true}, {"problems", json::array()}, {"settings", yaml}}) << '\n';
  } else {
    std::cout << "# " << file.string()
              << ": no mistakes found. This is what counts, defaults included.\n"
              << yaml;
  }
  return exit_ok;
}

void inspect_surroundings(const std::filesystem::path& file, bool as_json) {
  auto patient = std::make_shared<Patient>();
  patient->file = file;
  if (!file.empty()) {
    LoadedSettings loaded = load_settings(file);
    if (const auto* problems = std::get_if<std::vector<SettingsProblem>>(&loaded)) {
      report_bad_config(file, *problems, as_json);
    }
    patient->settings = std::move(std::get<Settings>(loaded));
  }
  const DatabaseSettings& database = patient->settings.database;
  patient->database = {database.conninfo.reveal(), database.password.reveal(),
                       database.password_file};
  const Findings findings = examine(patient, [as_json](const Finding& finding) {
    if (!as_json) {
      std::cout << finding_lines(finding) << std::flush;
    }
  });
  const bool is_well = std::none_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.health == Health::failed;
  });
  std::cout << (as_json ? dumped(findings_json(findings, is_well)) + "\n" : summary(findings));
  leave(is_well ? exit_ok : exit_failed);
}

int inspect_event(const Settings& settings, const ConnectionInfo& database, const std::string& name,
                  bool as_json) {
  const auto told = inquire(database, name);
  if (!told) {
    std::cerr << "rollbackd: " << told.error().what << "\n  " << told.error().remedy << '\n';
    return exit_failed;
  }
  auto found = foreign_json(*told);
  const bool is_known = !found["rollbacks"].empty() || !found["deployments"].empty();
  if (!is_known) {
    return no_such_thing(name, found["known"]);
  }
  found.erase("known");
  if (as_json) {
    std::cout << dumped(found) << '\n';
    return exit_ok;
  }
  std::string text;
  for (const json& rollback : found["rollbacks"]) {
    text += terminal::rollback_text(rollback);
  }
  for (const json& deployment : found["deployments"]) {
    const rules::Service service{terminal::text_of(deployment, "environment"),
                                 terminal::text_of(deployment, "service")};
    text += (text.empty() ? "" : "\n") +
            terminal::deployment_text(deployment,
                                      triggers_json(settings.policies.of(service).triggers));
  }
  std::cout << text;
  return exit_ok;
}

}  // namespace rollbackd::engine
