// The newest supabase-js from a page in a real browser, whose origin is not the daemon's: what CORS
// forbids fails here and nowhere else. And the status page, as a browser takes it.

#include <doctest/doctest.h>

#include "tests/support/supabase_stage.hpp"

namespace rollbackd::tests {

TEST_CASE("supabase-js in Chromium, from a page of another origin") {
  if (!SupabaseStage::has_clients() || !SupabaseStage::has_browser()) {
    MESSAGE(
        "skipped: node, supabase-js or chromium is not installed; ./dev setup test installs what "
        "it can");
    return;
  }
  SupabaseStage{}.drive("chromium", "sb_secret_key-of-the-tests");
}

TEST_CASE("the status page runs in Chromium under its own policy, and a name in it is a text") {
  if (!SupabaseStage::has_browser()) {
    MESSAGE("skipped: chromium is not installed; ./dev setup test installs it where apt can");
    return;
  }
  Stage f;
  const std::string nasty = "<script>document.documentElement.dataset.caught='yes'</script>";
  f.wait_until_watched(f.deploy("v1", "in_progress", nasty));
  f.wait_for_metric("rollbackd_services", "1");
  std::string dom;
  const std::string profile = f.daemon().directory() / "chromium";
  CHECK(run_program({"/usr/bin/env", "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
                     "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--user-data-dir=" + profile, "--dump-dom",
                     "http://127.0.0.1:" + std::to_string(f.http_port()) + "/"},
                    dom) == 0);
  CAPTURE(dom);
  // Its own script ran, so its hash is right; the name's did not.
  CHECK(dom.find("data-live=\"yes\"") != std::string::npos);
  CHECK(dom.find("data-caught") == std::string::npos);
  CHECK(dom.find("&lt;script&gt;document") != std::string::npos);
}

}  // namespace rollbackd::tests
