// The API's document is enough to generate a client.

#include <doctest/doctest.h>

#include "tests/support/supabase_stage.hpp"

namespace rollbackd::tests {

TEST_CASE("a client generated from /openapi.json compiles strictly and rolls a deployment back") {
  if (!SupabaseStage::has_clients()) {
    MESSAGE(
        "skipped: node or the generator is not installed; with npm, ./dev setup test installs the "
        "latter");
    return;
  }
  Stage f;
  f.deployed_long_ago("v1", "web");
  std::string output;
  const int status =
      run_program({"/usr/bin/env", "node", "--no-warnings",
                   ROLLBACKD_SOURCE_DIR "/tests/support/clients/generate.mjs",
                   "http://127.0.0.1:" + std::to_string(f.http_port()), "acting-token", "web"},
                  output);
  CAPTURE(output);
  CHECK(status == 0);
  CHECK(output.find("generated: 0 wrong") != std::string::npos);
  CHECK(f.running_version().starts_with("v1"));
}

}  // namespace rollbackd::tests
