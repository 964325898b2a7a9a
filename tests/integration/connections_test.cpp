#include <doctest/doctest.h>

#include "tests/support/stage.hpp"

using namespace rollbackd::tests;  // NOLINT(google-build-using-namespace)

namespace {

// 20 usable connections, so that 18 of them are exactly 90 %.
PostgresOptions twenty_usable() {
  PostgresOptions options;
  options.settings = {{"max_connections", "23"}, {"superuser_reserved_connections", "3"}};
  return options;
}

class Crowd {
 public:
  explicit Crowd(Stage& stage) : stage_{stage} {}

  // Opens connections until so many client backends are there.
  void fill_to(int wanted) {
    while (backends() < wanted) {
      connections_.push_back(connect(stage_.postgres().conninfo()));
    }
  }
  int backends() {
    return std::stoi(
        stage_.ask("select count(*) from pg_stat_activity where backend_type = 'client backend'"));
  }

 private:
  Stage& stage_;
  std::vector<std::unique_ptr<pqxx::connection>> connections_;
};

void wait_for_utilisation(Stage& stage, const std::string& deployment, const std::string& percent) {
  eventually("the sample", 60, [&] {
    return stage.check(deployment).body.find("\"connection_utilisation\":" + percent) !=
           std::string::npos;
  });
}

}  // namespace

TEST_CASE("exactly 90 % of the connections do nothing; more roll the newest deployment back") {
  Stage stage{"", twenty_usable()};
  stage.deployed_long_ago("v1");
  const std::string bad = stage.deploy("v2");
  stage.wait_until_watched(bad);
  stage.wait_for_connections();  // one that came later would be one too many
  Crowd crowd{stage};
  crowd.fill_to(18);
  wait_for_utilisation(stage, bad, "90,");
  CHECK(stage.check(bad).body.find("\"should_rollback\":false") != std::string::npos);
  CHECK(stage.ask("select count(*) from ops.rollback_events") == "0");

  // All that ordinary roles can have, and the daemon still sees and acts.
  crowd.fill_to(20);
  eventually("the decision", 60,
             [&] { return stage.ask("select count(*) from ops.rollback_events") == "1"; });
  CHECK(stage.ask("select trigger_type || ' ' || trigger_reason from ops.rollback_events")
            .find("automatic Database connection exhaustion: ") == 0);
  eventually("the deploy", 60, [&] { return stage.running_version() == "v1 commit-of-v1 app"; });
}
