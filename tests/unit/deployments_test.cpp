#include "rules/deployments.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/random.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::Deployments;
using rules::DeploymentStatus;
using rules::Instant;
using rules::Service;

const Service other{"staging", "app"};

// The definitions of DESIGN.md sections 2 and 3, word by word, over a plain list of rows.
struct DumbDeployments {
  std::map<rules::DeploymentId, Deployment> rows;

  [[nodiscard]] const Deployment* at(const Service& service, Instant moment) const {
    const Deployment* best = nullptr;
    for (const auto& [id, d] : rows) {
      const bool left_out =
          d.service != service || d.status == DeploymentStatus::pending || !d.deployed_at ||
          *d.deployed_at > moment ||
          (d.status == DeploymentStatus::failed && (!d.completed_at || *d.completed_at <= moment));
      if (!left_out && (best == nullptr || is_newer(d, *best))) {
        best = &d;
      }
    }
    return best;
  }

  [[nodiscard]] const Deployment* newest_at(Instant moment) const {
    const Deployment* a = at(app, moment);
    const Deployment* b = at(other, moment);
    return a == nullptr || (b != nullptr && is_newer(*b, *a)) ? b : a;
  }

  [[nodiscard]] bool others_deployed(const Service& service, Instant after, Instant until) const {
    return std::any_of(rows.begin(), rows.end(), [&](const auto& known) {
      const Deployment& d = known.second;
      return d.service != service && d.status != DeploymentStatus::pending && d.deployed_at &&
             *d.deployed_at > after && *d.deployed_at <= until;
    });
  }

  [[nodiscard]] const Deployment* target_of(const Deployment& bad) const {
    const Deployment* best = nullptr;
    for (const auto& [id, d] : rows) {
      const bool fits = d.service == bad.service && d.deployed_at && bad.deployed_at &&
                        is_newer(bad, d) && d.status == DeploymentStatus::success &&
                        d.health_check_passed && !d.rollback_from &&
                        (d.version != bad.version || d.git_commit != bad.git_commit);
      if (fits && (best == nullptr || is_newer(d, *best))) {
        best = &d;
      }
    }
    return best;
  }

  static bool is_newer(const Deployment& a, const Deployment& b) {
    return *a.deployed_at != *b.deployed_at ? *a.deployed_at > *b.deployed_at : a.row > b.row;
  }
};

std::optional<Instant> random_moment(Random& random) {
  if (random.one_in(6)) {
    return std::nullopt;
  }
  return at(static_cast<double>(random.between(0, 12)));
}

Deployment random_row(Random& random) {
  Deployment d = row(random.between(1, 12), noon);
  d.service = random.one_in(3) ? other : app;
  d.status = static_cast<DeploymentStatus>(random.between(0, 4));
  d.deployed_at = random_moment(random);
  d.completed_at = random_moment(random);
  d.version = random.one_in(2) ? "v1" : "v2";
  d.git_commit = random.one_in(2) ? "c1" : "c2";
  d.health_check_passed = random.one_in(2);
  if (random.one_in(4)) {
    d.rollback_from = numbered_id(99);
  }
  return d;
}

rules::DeploymentId id_or_none(const Deployment* d) {
  return d == nullptr ? rules::DeploymentId{} : d->id;
}

}  // namespace

TEST_CASE("deployments: any rows attribute and find targets as the definitions say") {
  const std::uint64_t first = seed();
  for (std::uint64_t s = first; s < first + 150; ++s) {
    INFO("SEED=" << s);
    Random random{s};
    Deployments deployments;
    DumbDeployments dumb;
    for (int step = 0; step < 60; ++step) {
      const Deployment changed = random_row(random);
      deployments.put(changed);
      dumb.rows.insert_or_assign(changed.id, changed);
      for (const Service& service : {app, other}) {
        for (int half = -1; half <= 26; ++half) {
          const Instant moment = at(half * 0.5);
          REQUIRE(id_or_none(deployments.at(service, moment)) ==
                  id_or_none(dumb.at(service, moment)));
        }
      }
      const Instant moment = at(static_cast<double>(random.between(-1, 13)));
      REQUIRE(id_or_none(deployments.newest_at(moment)) == id_or_none(dumb.newest_at(moment)));
      const Instant since = moment - rules::seconds{random.between(0, 5)};
      REQUIRE(deployments.others_deployed(app, since, moment) ==
              dumb.others_deployed(app, since, moment));
      for (const auto& [id, d] : dumb.rows) {
        REQUIRE(id_or_none(deployments.target_of(*deployments.find(id))) ==
                id_or_none(dumb.target_of(d)));
      }
    }
  }
}

TEST_CASE("deployments: a change that moves an event names the service whose windows it moves") {
  const std::uint64_t first = seed();
  for (std::uint64_t s = first; s < first + 150; ++s) {
    INFO("SEED=" << s);
    Random random{s};
    Deployments deployments;
    DumbDeployments before;
    for (int step = 0; step < 60; ++step) {
      const Deployment changed = random_row(random);
      const std::vector<Service> moved = deployments.put(changed);
      DumbDeployments now = before;
      now.rows.insert_or_assign(changed.id, changed);
      for (const Service& service : {app, other}) {
        bool moves = false;
        for (int half = -1; half <= 26; ++half) {
          const Instant moment = at(half * 0.5);
          moves |= id_or_none(before.at(service, moment)) != id_or_none(now.at(service, moment));
        }
        const bool named = std::find(moved.begin(), moved.end(), service) != moved.end();
        REQUIRE((named || !moves));
      }
      before = now;
    }
  }
}

TEST_CASE("deployments: an event belongs to the row whatever its status is today") {
  for (const auto status :
       {DeploymentStatus::in_progress, DeploymentStatus::success, DeploymentStatus::rolled_back}) {
    Deployments deployments;
    deployments.put(row(1, at(0)));
    deployments.put(row(2, at(10), status));
    deployments.put(row(3, at(20)));
    CAPTURE(rules::name_of(status));
    CHECK(deployments.at(app, at(9.999999))->row == 1);
    CHECK(deployments.at(app, at(10))->row == 2);
    CHECK(deployments.at(app, at(19.999999))->row == 2);
    CHECK(deployments.at(app, at(20))->row == 3);
    CHECK(deployments.at(app, at(-0.000001)) == nullptr);
    CHECK(deployments.at(other, at(15)) == nullptr);
  }
}

TEST_CASE("deployments: a failed row has the events before its end, to the microsecond") {
  Deployments deployments;
  deployments.put(row(1, at(0)));
  Deployment failed = row(2, at(10), DeploymentStatus::failed);
  failed.completed_at = at(15);
  deployments.put(failed);
  CHECK(deployments.at(app, at(14.999999))->row == 2);
  CHECK(deployments.at(app, at(15))->row == 1);
  failed.completed_at.reset();
  CHECK(deployments.put(failed) == std::vector{app});
  CHECK(deployments.at(app, at(12))->row == 1);
}

TEST_CASE("deployments: of two with the same deployed_at the later row is the one") {
  Deployments deployments;
  deployments.put(row(8, at(0)));
  deployments.put(row(7, at(0)));
  CHECK(deployments.at(app, at(0))->row == 8);
}

TEST_CASE("deployments: a corrected version, commit or passed check moves no event") {
  Deployments deployments;
  Deployment d = row(1, at(0));
  CHECK(deployments.put(d) == std::vector{app});
  d.version = "v1-corrected";
  d.git_commit = "other";
  d.health_check_passed = true;
  d.status = DeploymentStatus::success;
  d.completed_at = at(3);
  CHECK(deployments.put(d).empty());
  CHECK(deployments.find(d.id)->version == "v1-corrected");
}

TEST_CASE("deployments: a row that changes its service moves events of both") {
  Deployments deployments;
  Deployment d = row(1, at(0));
  deployments.put(d);
  d.service = other;
  const auto moved = deployments.put(d);
  CHECK(std::set<Service>{moved.begin(), moved.end()} == std::set<Service>{app, other});
  CHECK(deployments.at(app, at(1)) == nullptr);
  CHECK(deployments.at(other, at(1))->row == 1);
}

TEST_CASE("deployments: what we did about a row outlives an older copy of it") {
  Deployments deployments;
  Deployment d = row(1, at(0));
  deployments.put(d);
  deployments.mark_snapshot(d.id, true, 42.0);
  deployments.mark_snapshot(d.id, false, std::nullopt);
  deployments.mark_rollback_dispatched(d.id, true);
  d.version = "corrected";
  deployments.put(d);
  const Deployment& known = *deployments.find(d.id);
  CHECK(known.seen);
  CHECK(known.announced);
  CHECK(known.rollback_dispatched);
  CHECK(known.utilisation_at_arrival == 42.0);
  // The snapshot's row says it better than what we remember.
  d.utilisation_at_arrival = 41.5;
  deployments.put(d);
  CHECK(deployments.find(d.id)->utilisation_at_arrival == 41.5);
}

TEST_CASE("deployments: utilisation at arrival is kept once, and only for a row that serves") {
  Deployments deployments;
  deployments.put(row(1, at(0)));
  deployments.mark_snapshot(numbered_id(1), false, 10.0);
  CHECK_FALSE(deployments.find(numbered_id(1))->utilisation_at_arrival);
  deployments.mark_snapshot(numbered_id(1), true, 20.0);
  deployments.mark_snapshot(numbered_id(1), true, 30.0);
  CHECK(deployments.find(numbered_id(1))->utilisation_at_arrival == 20.0);
}

TEST_CASE("deployments: marks of a row that is not known are nobody's") {
  Deployments deployments;
  deployments.mark_snapshot(numbered_id(1), true, 1.0);
  deployments.mark_rollback_dispatched(numbered_id(1), true);
  CHECK(deployments.size() == 0);
  CHECK(deployments.find(numbered_id(1)) == nullptr);
}

TEST_CASE("deployments: clear leaves nothing") {
  Deployments deployments;
  deployments.put(row(1, at(0)));
  deployments.clear();
  CHECK(deployments.size() == 0);
  CHECK(deployments.services().empty());
  CHECK(deployments.of(app).empty());
  CHECK(deployments.at(app, at(1)) == nullptr);
  CHECK(deployments.newest_at(at(1)) == nullptr);
}

TEST_CASE(
    "deployments: newer_failure is a younger row, no replacement, that failed after the moment") {
  const auto found = [](auto change, std::int64_t number = 3) {
    Deployments deployments;
    deployments.put(row(2, at(0)));
    Deployment failed = row(number, at(5), DeploymentStatus::failed);
    failed.completed_at = at(10);
    change(failed);
    deployments.put(failed);
    return deployments.newer_failure(*deployments.find(numbered_id(2)),
                                     at(10) - rules::Duration{1}) != nullptr;
  };
  CHECK(found([](Deployment&) {}));
  CHECK_FALSE(found([](Deployment& d) { d.completed_at = at(10) - rules::Duration{1}; }));
  CHECK_FALSE(found([](Deployment& d) { d.completed_at.reset(); }));
  CHECK_FALSE(found([](Deployment& d) { d.rollback_from = numbered_id(2); }));
  CHECK_FALSE(found([](Deployment& d) { d.status = DeploymentStatus::success; }));
  CHECK_FALSE(found([](Deployment& d) { d.service = other; }));
  CHECK_FALSE(found([](Deployment&) {}, 1));
}

}  // namespace rollbackd::tests
