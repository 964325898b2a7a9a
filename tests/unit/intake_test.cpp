#include "rules/intake.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/random.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::Audit;
using rules::Deployment;
using rules::DeploymentStatus;
using rules::EventGroup;
using rules::FeedBatch;
using rules::FeedRebuilt;
using rules::Instant;
using rules::Intake;
using rules::Second;
using rules::Service;
using rules::World;

const Service other{"staging", "app"};

EventGroup event(Instant when, std::uint64_t n = 1) { return {std::nullopt, app, when, n}; }
EventGroup event_of(std::int64_t deployment, Instant when, std::uint64_t n = 1) {
  return {numbered_id(static_cast<std::uint64_t>(deployment)), app, when, n};
}

FeedBatch batch(Instant as_of, std::vector<EventGroup> events = {},
                std::vector<Deployment> deployments = {}, std::vector<Service> rebuilt = {}) {
  return {as_of, std::move(deployments), std::move(events), std::move(rebuilt), {}};
}

std::uint64_t count(const World& world, std::int64_t deployment, Second window = 300) {
  return world.windows.count(numbered_id(static_cast<std::uint64_t>(deployment)), window);
}

std::vector<Service> asked(const Intake& intake) {
  std::vector<Service> services;
  for (const rules::Action& action : intake.rebuilds) {
    services.push_back(std::get<rules::RebuildWindows>(action).service);
  }
  return services;
}

using Services = std::vector<Service>;

}  // namespace

TEST_CASE("intake: an event without an id goes to the row that serves at its moment") {
  World world = world_at_noon();
  const Intake intake =
      take_in(world, batch(noon, {event(at(-600)), event(at(-600.5)), event(noon)}));
  CHECK(count(world, 1) == 0);  // its window does not reach back so far
  CHECK(count(world, 2) == 1);
  CHECK(intake.touched == std::set<Service>{app});
  CHECK(intake.unattributed == 0);
}

TEST_CASE("intake: an event with an id belongs to that row, whatever the time or the service") {
  World world = world_at_noon();
  EventGroup elsewhere = event_of(1, noon);
  elsewhere.service = other;
  const Intake intake = take_in(world, batch(noon, {event_of(1, noon), elsewhere}));
  CHECK(count(world, 1) == 2);
  CHECK(intake.touched == std::set<Service>{app});
}

TEST_CASE("intake: an event of an unknown id, or of a service without rows, is nobody's") {
  World world = world_at_noon();
  EventGroup nobody = event(noon, 3);
  nobody.service = other;
  const Intake intake = take_in(world, batch(noon, {event_of(77, noon, 2), nobody}));
  CHECK(intake.unattributed == 5);
  CHECK(intake.touched.empty());
  CHECK(world.windows.deployments() == 0);
}

TEST_CASE("intake: rows come before the events of the same batch") {
  World world = world_at_noon();
  const Intake intake =
      take_in(world, batch(at(1), {event(at(0.5)), event_of(3, at(-30))}, {row(3, at(0.4))}));
  CHECK(count(world, 3) == 2);
  CHECK(intake.deployments == std::set<rules::DeploymentId>{numbered_id(3)});
  CHECK(asked(intake) == Services{app});
  CHECK(world.services[app].rebuilding);
}

TEST_CASE("intake: a row that moves no event asks for nothing") {
  World world = world_at_noon();
  Deployment corrected = row_of(world, 2);
  corrected.version = "v2-corrected";
  const Intake intake = take_in(world, batch(noon, {}, {corrected}));
  CHECK(intake.rebuilds.empty());
  CHECK_FALSE(world.services[app].rebuilding);
  CHECK(intake.touched == std::set<Service>{app});
}

TEST_CASE("intake: the old windows answer until the new ones are there") {
  World world = world_at_noon();
  take_in(world, batch(noon, {event(at(-10), 4)}));
  take_in(world, batch(noon, {}, {row(3, at(-20))}));
  CHECK(count(world, 2) == 4);
  CHECK(world.services[app].rebuilding);
  const Intake intake = take_in(world, batch(noon, {event(at(-10), 4)}, {}, {app}));
  CHECK(count(world, 2) == 0);
  CHECK(count(world, 3) == 4);
  CHECK_FALSE(world.services[app].rebuilding);
  CHECK(intake.touched == std::set<Service>{app});
  CHECK(intake.rebuilds.empty());
}

TEST_CASE("intake: a row and the recount of one snapshot need no second recount") {
  World world = world_at_noon();
  const Intake intake = take_in(world, batch(noon, {event(at(-10))}, {row(3, at(-20))}, {app}));
  CHECK(intake.rebuilds.empty());
  CHECK(count(world, 3) == 1);
}

TEST_CASE("intake: a recount leaves other services alone") {
  World world = world_at_noon();
  Deployment neighbour = row(5, at(-100));
  neighbour.service = other;
  take_in(world, batch(noon, {event_of(5, noon, 7)}, {neighbour}));
  take_in(world, batch(noon, {}, {}, {app}));
  CHECK(count(world, 5) == 7);
  CHECK(world.services[other].rebuilding);
  CHECK_FALSE(world.services[app].rebuilding);
}

TEST_CASE("intake: a second has passed when the database's has") {
  World world = world_at_noon();
  CHECK_FALSE(take_in(world, batch(at(0.9))).second_passed);
  CHECK(take_in(world, batch(at(1))).second_passed);
  CHECK_FALSE(take_in(world, batch(at(-5))).second_passed);
  CHECK(world.windows.now() == noon_second + 1);
}

TEST_CASE("intake: a rebuild replaces all that was known and completes the windows") {
  World world = world_at_noon();
  log_errors(world, 2, 50);
  world.complete = false;
  world.services[app].rebuilding = true;
  world.services[app].above_since["burn"] = noon;
  world.services[app].firing = {"burn"};
  FeedRebuilt rebuilt{at(2), "started", {row(7, at(-1))}, {event(at(1), 2), event_of(2, at(1))}};
  const Intake intake = take_in(world, rebuilt);
  CHECK(world.complete);
  CHECK(world.had_windows);
  CHECK(intake.second_passed);
  CHECK(intake.unattributed == 1);
  CHECK(world.deployments.size() == 1);
  CHECK(count(world, 7) == 2);
  CHECK(count(world, 2) == 0);
  CHECK_FALSE(world.services[app].rebuilding);
  // Whether a row held through the gap is not known: its `for` begins anew.
  CHECK(world.services[app].above_since.empty());
  CHECK(world.services[app].firing.empty());
}

TEST_CASE("intake: an audit that agrees with memory finds nothing and changes nothing") {
  World world = world_at_noon();
  take_in(world, batch(noon, {event(noon, 3), event(at(500), 2)}));
  FeedBatch audited = batch(noon);
  audited.audit = Audit{{event(noon, 3), event(at(500), 2)}, 0};
  const Intake intake = take_in(world, audited);
  REQUIRE(intake.audit);
  CHECK(intake.audit->drift == 0);
  CHECK(intake.audit->removed == 0);
  CHECK(intake.audit->foreign_rows == 0);
  CHECK(count(world, 2) == 3);
  take_in(world, batch(at(450)));
  CHECK(count(world, 2) == 2);  // what waits for its time has not been lost
}

TEST_CASE(
    "intake: an audit tells foreign rows, removed rows and drift apart, and memory is right "
    "again") {
  const auto audit = [](std::uint64_t memory, std::uint64_t table, std::uint64_t foreign) {
    World world = world_at_noon();
    log_errors(world, 2, memory);
    FeedBatch audited = batch(noon);
    audited.audit = Audit{{event(noon, table)}, foreign};
    const auto found = take_in(world, audited).audit;
    CHECK(count(world, 2) == table);
    return std::vector<std::uint64_t>{found->foreign_rows, found->removed, found->drift};
  };
  using Numbers = std::vector<std::uint64_t>;
  CHECK(audit(3, 3, 0) == Numbers{0, 0, 0});
  CHECK(audit(3, 5, 2) == Numbers{2, 0, 0});
  CHECK(audit(3, 5, 1) == Numbers{1, 0, 1});
  CHECK(audit(3, 5, 0) == Numbers{0, 0, 2});
  CHECK(audit(5, 3, 0) == Numbers{0, 2, 0});
}

TEST_CASE("intake: an audit proves nothing about windows that are being counted anew") {
  World world = world_at_noon();
  log_errors(world, 2, 5);
  world.services[app].rebuilding = true;
  FeedBatch audited = batch(noon);
  audited.audit = Audit{{event(noon, 1)}, 0};
  const auto found = take_in(world, audited).audit;
  CHECK(found->removed == 0);
  CHECK(found->drift == 0);
}

namespace {

// A table of rows and events that changes at random, and the feed's batches of it.
struct RandomTable {
  explicit RandomTable(std::uint64_t s) : random{s} {}

  FeedBatch next() {
    now += rules::Duration{random.between(0, 2'000'000)};
    FeedBatch b = batch(now);
    if (random.one_in(8)) {
      Deployment d =
          row(random.between(1, 6), now - rules::Duration{random.between(0, 90'000'000)});
      d.service = random.one_in(3) ? other : app;
      d.status = static_cast<DeploymentStatus>(random.between(0, 4));
      d.completed_at = now - rules::Duration{random.between(-9'000'000, 90'000'000)};
      b.deployments.push_back(d);
      rows.insert_or_assign(d.id, d);
    }
    for (std::int64_t n = random.between(0, 3); n > 0; --n) {
      EventGroup e = event(now - rules::Duration{random.between(-80'000'000, 100'000'000)});
      e.service = random.one_in(3) ? other : app;
      if (random.one_in(4)) {
        e.deployment = numbered_id(static_cast<std::uint64_t>(random.between(1, 8)));
      }
      b.events.push_back(e);
      events.push_back(e);
    }
    return b;
  }

  // These services are told whole, by the rows as they are now.
  void recount(FeedBatch& b, const std::set<Service>& services) const {
    b.rebuilt.assign(services.begin(), services.end());
    const auto is_recounted = [&](const EventGroup& e) {
      if (!e.deployment) {
        return services.contains(e.service);
      }
      const auto own = rows.find(*e.deployment);
      return own != rows.end() && services.contains(own->second.service);
    };
    std::erase_if(b.events, is_recounted);
    std::copy_if(events.begin(), events.end(), std::back_inserter(b.events), is_recounted);
  }

  [[nodiscard]] std::uint64_t count(const World& world, const Deployment& d) const {
    const Second t = world.windows.now();
    std::uint64_t n = 0;
    for (const EventGroup& e : events) {
      const Deployment* owner = e.deployment ? world.deployments.find(*e.deployment)
                                             : world.deployments.at(e.service, e.at);
      const Second second = rules::second_of(e.at);
      n += owner != nullptr && owner->id == d.id && second > t - 60 && second <= t + 60 ? 1U : 0U;
    }
    return n;
  }

  Random random;
  Instant now = noon;
  std::map<rules::DeploymentId, Deployment> rows;
  std::vector<EventGroup> events;
};

}  // namespace

TEST_CASE("intake: any order of rows, events and recounts counts like a look at the table") {
  const std::uint64_t first = seed();
  for (std::uint64_t s = first; s < first + 100; ++s) {
    INFO("SEED=" << s);
    RandomTable table{s};
    World world{rules::PolicyBook{}};
    take_in(world, FeedRebuilt{noon, "started", {}, {}});
    std::set<Service> wanted;
    for (int step = 0; step < 200; ++step) {
      FeedBatch b = table.next();
      if (!wanted.empty() && table.random.one_in(2)) {
        table.recount(b, wanted);
        wanted.clear();
      }
      for (const Service& service : asked(take_in(world, b))) {
        wanted.insert(service);
      }
      for (const auto& [id, d] : table.rows) {
        if (!world.services[d.service].rebuilding) {
          REQUIRE(world.windows.count(id, 60) == table.count(world, d));
        }
      }
    }
  }
}

}  // namespace rollbackd::tests
