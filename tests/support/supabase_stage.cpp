#include "tests/support/supabase_stage.hpp"

#include <filesystem>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

namespace rollbackd::tests {
namespace {

// Of "sb_secret_key-of-the-tests"; it may all but override.
constexpr const char* more_tokens =
    "{name: supabase, scopes: [read, record, rollback], sha256: "
    "71aaf9144851ddde6a2f73b6065e5e74220e37278b97a188ea9ab344768dfe30}, {name: actor,";

bool is_program(const std::string& name) {
  std::string output;
  return run_program({"/usr/bin/env", "sh", "-c", "command -v " + name}, output) == 0;
}

}  // namespace

bool SupabaseStage::has_clients() {
  return is_program("node") && std::filesystem::exists(std::filesystem::path{ROLLBACKD_SOURCE_DIR} /
                                                       "build/tools/clients/package.json");
}

bool SupabaseStage::has_browser() { return is_program("chromium"); }

SupabaseStage::SupabaseStage()
    : Stage{"", {}, {{"{name: actor,", more_tokens}, {"window: 2s", "window: 5s"}}} {}

void SupabaseStage::drive(const std::string& client, const std::string& key) {
  deployed_long_ago("v1");
  const std::string bad = deploy("v2");
  const std::string lonely = deploy("v1", "in_progress", "lonely");
  deployed_long_ago("v1", "late");
  const std::string late = deploy("v2", "in_progress", "late");
  deployed_long_ago("v1", "pending");
  wait_until_watched(bad);
  wait_until_watched(lonely);
  wait_until_watched(late);
  const std::string place =
      nlohmann::json{{"url", "http://127.0.0.1:" + std::to_string(http_port())},
                     {"key", key},
                     {"readerKey", "test-token"},
                     {"bad", bad},
                     {"lonely", lonely},
                     {"late", late},
                     {"pending", deploy("v2", "pending", "pending")},
                     {"unknown", "00000000-0000-4000-8000-000000000000"}}
          .dump();
  run(client, "all well", place);
  // Its own refusals, of a second request meanwhile, are rows, too.
  eventually("the rollback's success", 60, [&] {
    return ask("select status from ops.rollback_events where trigger_type = 'manual'"
               " and deployment_id = '" +
               bad + "'") == "success";
  });
  CHECK(running_version().starts_with("v1"));
  postgres().stop();
  run(client, "database stopped", place);
  daemon().kill();
  run(client, "daemon gone", place);
}

void SupabaseStage::run(const std::string& client, const std::string& phase,
                        const std::string& place) {
  std::string output;
  const int status =
      run_program({"/usr/bin/env", "node", "--no-warnings",
                   ROLLBACKD_SOURCE_DIR "/tests/support/clients/drive.mjs", client, phase, place},
                  output);
  CAPTURE(output);
  CHECK(status == 0);
  MESSAGE(output);
}

}  // namespace rollbackd::tests
