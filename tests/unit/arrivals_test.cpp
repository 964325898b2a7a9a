// What the decider tells of deployments as they come and as they prove themselves.

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/rules_bench.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::DeploymentStatus;
using rules::SnapshotType;
using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("arrivals: what arrives is told once, with the snapshot of its moment") {
  Bench bench;
  bench.sample(33);
  bench.forget();
  bench.put(row(3, at(0)));
  CHECK(bench.stories() == Words{"deployment_seen"});
  REQUIRE(bench.started<rules::TakeSnapshot>().size() == 1);
  CHECK(bench.started<rules::TakeSnapshot>()[0].type == SnapshotType::post_deployment);
  CHECK(row_of(bench.world(), 3).utilisation_at_arrival == 33);
  CHECK(row_of(bench.world(), 3).seen);
  bench.put(row(3, at(0)));
  bench.pass(5);
  CHECK(bench.told("deployment_seen") == 1);
}

TEST_CASE("arrivals: an arrival whose story was not written is told again") {
  Bench bench;
  bench.step(bench.batch({row(3, at(0))}));
  REQUIRE(bench.on_their_way.size() == 1);
  bench.fail_commit();
  CHECK(bench.started<rules::TakeSnapshot>().empty());
  CHECK_FALSE(row_of(bench.world(), 3).seen);
  bench.read_journal();
  CHECK(bench.told("deployment_seen") == 1);
  CHECK(bench.started<rules::TakeSnapshot>().size() == 1);
  bench.take(rules::LeadershipLost{});
  bench.read_journal();
  CHECK(bench.told("deployment_seen") == 1);  // it is seen now, whoever leads
}

TEST_CASE("arrivals: a pending row is announced by its pre_deployment snapshot, once") {
  Bench bench;
  bench.put(row(3, at(0), DeploymentStatus::pending));
  REQUIRE(bench.started<rules::TakeSnapshot>().size() == 1);
  CHECK(bench.started<rules::TakeSnapshot>()[0].type == SnapshotType::pre_deployment);
  CHECK(bench.stories().empty());
  bench.take(rules::SnapshotTaken{numbered_id(3), SnapshotType::pre_deployment, "an id", {}});
  CHECK(row_of(bench.world(), 3).announced);
  bench.take(rules::LeadershipLost{});
  bench.read_journal();
  CHECK(bench.started<rules::TakeSnapshot>().size() == 1);
  bench.put(row(3, at(0)));
  CHECK(bench.started<rules::TakeSnapshot>().size() == 2);
  CHECK(bench.stories() == Words{"deployment_seen"});
}

TEST_CASE("arrivals: probation is passed once, and again when its entry was not written") {
  Bench bench;
  bench.put(row(3, at(-290)));
  bench.pass(9);
  bench.now = at(10);
  bench.step(bench.batch());
  REQUIRE(bench.on_their_way.size() == 1);
  bench.fail_commit();
  bench.read_journal();
  bench.pass(5);
  CHECK(bench.written<rules::PassProbation>().size() == 1);
  CHECK(bench.written<rules::PassProbation>()[0].deployment == numbered_id(3));
  CHECK(bench.told("deployment_verified") == 1);
}

TEST_CASE("arrivals: a row that was changed before it could pass is looked at anew") {
  Bench bench;
  Deployment v3 = row(3, at(-299));
  bench.put(v3);
  bench.pass(1);
  CHECK(bench.written<rules::PassProbation>().size() == 1);
  // The entry found the row failed, and changed nothing; later it serves again.
  v3.status = DeploymentStatus::failed;
  v3.completed_at = bench.now;
  bench.put(v3);
  v3.status = DeploymentStatus::success;
  bench.put(v3);
  bench.pass(1);
  CHECK(bench.written<rules::PassProbation>().size() == 2);
}

TEST_CASE("arrivals: nothing passes its probation while its rollback is under way") {
  Bench bench;
  bench.put(row(3, at(-299)));
  bench.take(rules::ManualRequest{numbered_id(3), "looks wrong", ""});
  bench.pass(5);
  CHECK(bench.decider.active_rollbacks() == 1);
  CHECK(bench.written<rules::PassProbation>().empty());
}

}  // namespace rollbackd::tests
