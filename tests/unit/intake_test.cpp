#include "rules/intake.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "rules/limits.hpp"
#include "tests/support/intake_kit.hpp"
#include "tests/support/random.hpp"

namespace rollbackd::tests {
namespace {

using rules::Deployment;
using rules::DeploymentStatus;
using rules::EventGroup;
using rules::FeedBatch;
using rules::FeedRebuilt;
using rules::Instant;
using rules::Intake;
using rules::Second;
using rules::Service;
using rules::WindowsRecounted;
using rules::World;

const Service other{"staging", "app"};

EventGroup event_of(std::int64_t deployment, Instant when, std::uint64_t n = 1) {
  EventGroup group = logged(when, n);
  group.deployment = numbered_id(static_cast<std::uint64_t>(deployment));
  return group;
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
  const Intake intake = take_in(world, recounted(world, {event(at(-10), 4)}));
  CHECK(count(world, 2) == 0);
  CHECK(count(world, 3) == 4);
  CHECK_FALSE(world.services[app].rebuilding);
  CHECK(intake.touched == std::set<Service>{app});
  CHECK(intake.rebuilds.empty());
}

TEST_CASE("intake: what came after the look that was recounted is added, what it saw is not") {
  World world = world_at_noon();
  take_in(world, batch(noon, {event(at(-10), 4)}, {row(3, at(-20))}, 1));
  take_in(world, batch(noon, {event(at(-9), 2)}, {}, 2));
  take_in(world, batch(noon, {event(at(-8), 1), event_of(2, at(-8), 5)}, {}, 3));
  take_in(world, recounted(world, {event(at(-10), 4), event(at(-9), 2)}, 2));
  CHECK(count(world, 3) == 7);
  CHECK(count(world, 2) == 5);
}

TEST_CASE("intake: an event that was nobody's when it came is counted with the recount") {
  World world = world_at_noon();
  take_in(world, batch(noon, {}, {row(3, at(-20))}, 1));
  take_in(world, batch(noon, {event_of(9, at(-5))}, {}, 2));
  CHECK(count(world, 9) == 0);
  take_in(world, batch(noon, {}, {row(9, at(-6))}, 3));
  take_in(world, recounted(world, {event_of(9, at(-5))}, 3));
  CHECK(count(world, 9) == 1);
}

TEST_CASE("intake: the answer to a question that was asked anew meanwhile changes nothing") {
  World world = world_at_noon();
  take_in(world, batch(noon, {event(at(-10), 4)}, {row(3, at(-20))}, 1));
  const WindowsRecounted old = recounted(world, {event(at(-10), 99)}, 1);
  take_in(world, batch(noon, {}, {row(4, at(-5))}, 2));
  take_in(world, old);
  CHECK(world.services[app].rebuilding);
  CHECK(count(world, 3) == 4);
  take_in(world, recounted(world, {event(at(-10), 4)}, 2));
  CHECK_FALSE(world.services[app].rebuilding);
  CHECK(count(world, 3) == 4);
  take_in(world, old);
  CHECK(count(world, 3) == 4);
}

TEST_CASE("intake: what is kept for a recount is bounded; beyond that it is asked for anew") {
  World world = world_at_noon();
  take_in(world, batch(noon, {}, {row(3, at(-20))}, 1));
  const auto first = world.services[app].rebuilding->number;
  Intake intake;
  for (std::size_t i = 0; i <= rules::limits::recounting_groups_max; ++i) {
    intake = take_in(world, batch(noon, {event(at(-10))}, {}, 2 + i));
  }
  CHECK(asked(intake) == Services{app});
  CHECK(world.services[app].rebuilding->number > first);
  CHECK(world.services[app].rebuilding->since.empty());
}

TEST_CASE("intake: a recount leaves other services alone") {
  World world = world_at_noon();
  Deployment neighbour = row(5, at(-100));
  neighbour.service = other;
  take_in(world, batch(noon, {event_of(5, noon, 7)}, {neighbour, row(3, at(-20))}));
  take_in(world, recounted(world, {}));
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

TEST_CASE("intake: a rebuild follows a clock that was set back") {
  World world = world_at_noon();
  log_errors(world, 2, 50);
  take_in(world, FeedRebuilt{at(-600), "clock_set_back", {row(2, at(-900))}, {event(at(-601), 3)}});
  CHECK(world.windows.now() == noon_second - 600);
  CHECK(count(world, 2) == 3);
  take_in(world, batch(at(-599), {event(at(-599), 2)}));
  CHECK(count(world, 2) == 5);
}

TEST_CASE("intake: a rebuild replaces all that was known and completes the windows") {
  World world = world_at_noon();
  log_errors(world, 2, 50);
  world.complete = false;
  world.services[app].rebuilding = rules::Recounting{};
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

namespace {

// A table of rows and events that changes at random, and the feed's batches of it.
struct RandomTable {
  explicit RandomTable(std::uint64_t s) : random{s} {}

  FeedBatch next() {
    now += rules::Duration{random.between(0, 2'000'000)};
    FeedBatch b = batch(now, {}, {}, ++look);
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

  // All events so far that are of the service by the rows as they are now.
  [[nodiscard]] WindowsRecounted recount(const rules::RebuildWindows& wanted) const {
    WindowsRecounted all{wanted.service, wanted.number, look, {}};
    std::copy_if(events.begin(), events.end(), std::back_inserter(all.events),
                 [&](const EventGroup& e) {
                   if (!e.deployment) {
                     return e.service == wanted.service;
                   }
                   const auto own = rows.find(*e.deployment);
                   return own != rows.end() && own->second.service == wanted.service;
                 });
    return all;
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
  rules::Look look = 0;
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
    std::vector<rules::RebuildWindows> wanted;
    std::vector<WindowsRecounted> on_their_way;  // counted, and looks go on before they arrive
    for (int step = 0; step < 200; ++step) {
      for (const rules::Action& action : take_in(world, table.next()).rebuilds) {
        wanted.push_back(std::get<rules::RebuildWindows>(action));
      }
      if (!wanted.empty() && table.random.one_in(2)) {
        on_their_way.push_back(table.recount(wanted.front()));
        wanted.erase(wanted.begin());
      }
      if (!on_their_way.empty() && table.random.one_in(2)) {
        take_in(world, on_their_way.front());
        on_their_way.erase(on_their_way.begin());
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
