#pragma once

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/daemon.hpp"
#include "tests/support/free_port.hpp"
#include "tests/support/installed.hpp"

namespace rollbackd::tests {

inline constexpr const char* a_command =
    "rollback: {executor: command, command: {argv: [/bin/sh, -c, \"true\", \"{version}\"]}}\n";

// What the doctor says of a configuration.
class Doctor {
 public:
  explicit Doctor(std::filesystem::path folder) : folder_{std::move(folder)} {}

  // Exit code and findings.
  int examine(const std::string& yaml) {
    const std::filesystem::path file = folder_ / "doctor.yaml";
    std::ofstream{file} << yaml;
    std::filesystem::permissions(file, std::filesystem::perms{0600});
    std::string output;
    const int code =
        run_program({ROLLBACKD_PROGRAM, "doctor", "--json", "--config", file.string()}, output);
    said_ = nlohmann::json::parse(output, nullptr, false);
    INFO(output);
    REQUIRE(said_.is_object());
    return code;
  }
  // "outcome: text → remedy" of each finding of a check.
  [[nodiscard]] std::string about(const std::string& check) const {
    std::string text;
    for (const nlohmann::json& finding : said_["findings"]) {
      if (finding.value("check", "") == check) {
        text += finding.value("outcome", "") + ": " + finding.value("text", "") +
                (finding["remedy"].is_null() ? "" : " → " + finding.value("remedy", "")) + "\n";
      }
    }
    return text;
  }
  // The checks with this outcome.
  [[nodiscard]] std::set<std::string> with(const std::string& outcome) const {
    std::set<std::string> checks;
    for (const nlohmann::json& finding : said_["findings"]) {
      if (finding.value("outcome", "") == outcome) {
        checks.insert(finding.value("check", ""));
      }
    }
    return checks;
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  nlohmann::json said_;
};

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A database that is well, and a doctor for it.
struct Examined : InstalledPostgres, Doctor {
  explicit Examined(PostgresOptions options = {})
      : InstalledPostgres{std::move(options)},
        Doctor{directory()},
        http{"http: {listen: \"127.0.0.1:" + std::to_string(free_port()) +
             "\", tokens: [{name: me, scopes: [rollback], sha256: "
             "4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e}]}\n"} {}

  [[nodiscard]] std::string yaml(const std::string& rollback = a_command) const {
    return "database: {conninfo: \"" + conninfo("rollbackd") + "\"}\n" + http + rollback;
  }
  // As the superuser.
  void sql(const std::string& statement) const { rows(conninfo(), statement); }

  std::string http;
};

}  // namespace rollbackd::tests
