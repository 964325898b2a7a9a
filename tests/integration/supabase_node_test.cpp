// Clients that people have, unmodified: supabase-js in Node drives the routes of the original
// function and sees the right errors.

#include <doctest/doctest.h>

#include "tests/support/supabase_stage.hpp"

namespace rollbackd::tests {

TEST_CASE("supabase-js in Node, with a key as Bearer and with one as apikey only") {
  if (!SupabaseStage::has_clients()) {
    MESSAGE(
        "skipped: node or supabase-js is not installed; with npm, ./dev setup test installs the "
        "latter");
    return;
  }
  SUBCASE("2.109: Bearer") { SupabaseStage{}.drive("2.109", "acting-token"); }
  SUBCASE("the newest: apikey") { SupabaseStage{}.drive("newest", "sb_secret_key-of-the-tests"); }
}

}  // namespace rollbackd::tests
