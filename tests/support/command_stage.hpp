#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "engine/actions/command.hpp"
#include "tests/support/recorders.hpp"

// What the tests of the command executor share.
namespace rollbackd::tests {

inline const auto event_id = *rules::EventId::parse("11111111-1111-1111-1111-111111111111");
inline const auto replacement_id =
    *rules::DeploymentId::parse("22222222-2222-2222-2222-222222222222");
inline const auto bad_id = *rules::DeploymentId::parse("33333333-3333-3333-3333-333333333333");

inline rules::Deploy a_deploy() {
  return {event_id,  {"production", "api"},
          "command", replacement_id,
          bad_id,    "v2.5.2",
          "a7f3b29", "errors",
          {}};
}

inline std::string contents(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

// A folder of its own, scripts in it, and what a command told.
struct CommandStage {
  CommandStage() {
    std::string name = (std::filesystem::temp_directory_path() / "command_test.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder = name;
  }
  ~CommandStage() { std::filesystem::remove_all(folder); }
  CommandStage(const CommandStage&) = delete;
  CommandStage& operator=(const CommandStage&) = delete;

  [[nodiscard]] std::string script(const std::string& body, mode_t mode = 0700) const {
    const auto file = folder / "script with 'quotes\"";
    std::ofstream{file} << "#!/bin/sh\n" << body << '\n';
    REQUIRE(chmod(file.c_str(), mode) == 0);
    return file.string();
  }

  // Runs one deploy to its end.
  rules::DeployEnded run(const engine::CommandSettings& settings,
                         const rules::Deploy& deploy = a_deploy()) {
    engine::Command command{reactor, inbox, log, settings};
    command.deploy(deploy);
    REQUIRE(run_until(reactor, [&] { return !inbox.all<rules::DeployEnded>().empty(); }));
    CHECK(command.lost_with_us() == 0);
    REQUIRE(inbox.all<rules::DeployEnded>().size() == 1);
    return inbox.all<rules::DeployEnded>().front();
  }

  std::filesystem::path folder;
  engine::asio::io_context reactor;
  RecordingInbox inbox;
  RecordingLog log;
};

inline engine::CommandSettings running(std::vector<std::string> argv) {
  engine::CommandSettings settings;
  settings.argv = std::move(argv);
  settings.timeout = rules::seconds{30};
  return settings;
}

inline pid_t process_of(const rules::DeployStarted& started) {
  return std::stoi(started.detail.substr(started.detail.rfind(' ')));
}

}  // namespace rollbackd::tests
