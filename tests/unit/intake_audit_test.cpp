#include <cstdint>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "rules/intake.hpp"
#include "tests/support/intake_kit.hpp"

namespace rollbackd::tests {
namespace {

using rules::AuditCounted;
using rules::AuditGroup;
using rules::FeedBatch;
using rules::Instant;
using rules::Intake;
using rules::World;

AuditGroup counted(std::uint64_t seen, std::uint64_t odd = 0, std::uint64_t foreign = 0) {
  return {std::nullopt, app, noon, seen, odd, foreign};
}

FeedBatch audited(Instant as_of, rules::Look look) {
  FeedBatch last = batch(as_of, {}, {}, look);
  last.audited = true;
  return last;
}

struct Found {
  std::uint64_t foreign;
  std::uint64_t removed;
  std::uint64_t drift;
  std::string why;
  bool operator==(const Found&) const = default;
};

}  // namespace

TEST_CASE("intake: an audit that agrees with memory finds nothing and changes nothing") {
  World world = world_at_noon();
  take_in(world, batch(noon, {event(noon, 3), event(at(500), 2)}));
  take_in(world, audited(noon, 2));
  take_in(world, batch(at(1), {event(at(1), 9)}, {}, 3));  // after the look that is audited
  const Intake intake = take_in(world, AuditCounted{2, {counted(3)}});
  REQUIRE(intake.audit);
  CHECK(intake.audit->drift == 0);
  CHECK(intake.audit->removed == 0);
  CHECK(intake.audit->foreign_rows == 0);
  CHECK(intake.rebuilds.empty());
  CHECK(count(world, 2) == 12);
}

TEST_CASE("intake: an audit of another look proves nothing") {
  World world = world_at_noon();
  take_in(world, audited(noon, 2));
  CHECK_FALSE(take_in(world, AuditCounted{1, {counted(3)}}).audit);
  CHECK(take_in(world, AuditCounted{2, {counted(0)}}).audit);
  CHECK_FALSE(take_in(world, AuditCounted{2, {counted(3)}}).audit);
}

TEST_CASE("intake: an audit tells foreign rows, removed rows and drift apart") {
  const auto audit = [](std::uint64_t memory, const AuditGroup& table) {
    World world = world_at_noon();
    log_errors(world, 2, memory);
    take_in(world, audited(noon, 1));
    const Intake intake = take_in(world, AuditCounted{1, {table}});
    CHECK(world.services[app].rebuilding.has_value() == !intake.rebuilds.empty());
    return Found{intake.audit->foreign_rows, intake.audit->removed, intake.audit->drift,
                 intake.rebuilds.empty()
                     ? ""
                     : std::get<rules::RebuildWindows>(intake.rebuilds.front()).why};
  };
  CHECK(audit(3, counted(3)) == Found{0, 0, 0, ""});
  CHECK(audit(5, counted(3, 0, 2)) == Found{2, 0, 0, ""});  // found by an earlier audit
  CHECK(audit(3, counted(3, 0, 2)) == Found{2, 0, 0, "foreign_rows"});
  CHECK(audit(3, counted(5, 2)) == Found{2, 0, 0, "foreign_rows"});
  CHECK(audit(3, counted(3, 3)) == Found{0, 0, 0, ""});  // savepoints
  CHECK(audit(3, counted(5, 1)) == Found{1, 0, 1, "window_drift"});
  CHECK(audit(3, counted(5)) == Found{0, 0, 2, "window_drift"});
  CHECK(audit(5, counted(3)) == Found{0, 2, 0, "rows_removed"});
  CHECK(audit(5, counted(0)) == Found{0, 5, 0, "rows_removed"});
}

TEST_CASE("intake: an audit finds events of a deployment that the table has none of") {
  World world = world_at_noon();
  log_errors(world, 2, 5);
  take_in(world, audited(noon, 1));
  CHECK(take_in(world, AuditCounted{1, {}}).audit->removed == 5);
}

TEST_CASE("intake: an audit proves nothing about windows that are counted anew") {
  const auto found = [](auto meanwhile) {
    World world = world_at_noon();
    log_errors(world, 2, 5);
    meanwhile(world, true);
    take_in(world, audited(noon, 5));
    meanwhile(world, false);
    const Intake intake = take_in(world, AuditCounted{5, {counted(1)}});
    return intake.audit->removed + intake.audit->drift;
  };
  CHECK(found([](World&, bool) {}) == 4);
  CHECK(found([](World& world, bool before) {
          if (before) {
            take_in(world, batch(noon, {}, {row(3, at(-20))}));
          }
        }) == 0);
  CHECK(found([](World& world, bool before) {
          if (!before) {
            take_in(world, batch(noon, {}, {row(3, at(-20))}, 6));
          }
        }) == 0);
  CHECK(found([](World& world, bool before) {
          if (before) {
            take_in(world, batch(noon, {}, {row(3, at(-20))}));
          } else {
            take_in(world, recounted(world, {}, 5));
          }
        }) == 0);
}

}  // namespace rollbackd::tests
