// What happens in an incident: who is deployed, what goes bad, who asks and what breaks.

#include "tests/sim/incidents.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/incident_world.hpp"

namespace rollbackd::tests {
namespace {

using rules::DeploymentStatus;
using rules::Duration;
using rules::minutes;
using rules::Reason;
using rules::seconds;

constexpr Duration ms(std::int64_t n) { return Duration{n * 1000}; }
const std::array<const char*, 3> executors{"github", "command", "webhook"};
const std::array<const char*, 4> names{"api", "shop", "mail", "jobs"};

class Script {
 public:
  Script(IncidentWorld& world, bool is_plain)
      : world_{world}, random_{world.random()}, is_plain_{is_plain} {}

  void write() {
    const std::int64_t services = is_plain_ || random_.one_in(2) ? 1 : random_.between(1, 4);
    const bool has_weather = !is_plain_ && random_.one_in(12);
    for (std::size_t i = 0; i < static_cast<std::size_t>(services); ++i) {
      Line line;
      line.service = {"production", names[i]};
      line.is_incurable = !is_plain_ && (has_weather || random_.one_in(8));
      lines_.push_back(line);
      world_.set_policy(lines_[i].service, some_policy());
      deploy_good(i);
    }
    world_.on_rolled_back = [this](const rules::Service& service) {
      for (Line& line : lines_) {
        line.is_bad &= line.service != service || line.is_incurable;
      }
    };
    world_.allow_faults(is_plain_ ? 0 : static_cast<int>(random_.between(0, 4)));
    world_.begin();
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (i == 0 || has_weather || random_.one_in(3)) {
        const bool is_bad = !world_.is_calm() && (i == 0 || has_weather || random_.one_in(2));
        world_.after(world_.between(ms(0), seconds{20}), [this, i, is_bad] { deploy(i, is_bad); });
      }
    }
    if (is_plain_) {
      return;
    }
    break_things();
    if (!world_.is_calm()) {
      call_people();
    }
  }

 private:
  struct Line {
    rules::Service service;
    int versions = 0;
    bool is_bad = false;
    bool is_incurable = false;  // something else than the version is broken
    rules::DeploymentId last;
    std::int64_t harmless = 0;  // errors of what is not bad; never more than the limit
  };

  rules::Policy some_policy() {
    rules::Policy policy;
    policy.executor = executors[static_cast<std::size_t>(random_.between(0, 2))];
    const std::int64_t n = random_.between(0, 2);
    policy.confirm = seconds{n * 2};
    policy.settle = seconds{random_.between(0, 1) * 10};
    policy.cooldown = seconds{random_.between(0, 2) * 60};
    policy.verify_window = std::array{2, 10, 60}[static_cast<std::size_t>(n)];
    policy.probation = seconds{random_.one_in(2) ? 20 : 300};
    if (is_plain_) {
      return policy;
    }
    policy.verify_health_url = random_.one_in(8);
    policy.max_per_hour = random_.one_in(6) ? 1 : 5;
    policy.may_revert_migrations = random_.one_in(2);
    policy.stale_after = random_.one_in(5) ? seconds{5} : seconds{600};
    policy.ask_expires = seconds{random_.between(20, 1800)};
    policy.mode = random_.one_in(7)    ? rules::Mode::ask
                  : random_.one_in(20) ? rules::Mode::shadow
                                       : rules::Mode::automatic;
    return policy;
  }

  // Long ago; one in twelve has nothing to go back to.
  void deploy_good(std::size_t i) {
    Line& line = lines_[i];
    line.versions = 1;
    SimDatabase& database = world_.database();
    line.last = database.deploy(world_.now() - minutes{90}, line.service, "v1", "c1",
                                DeploymentStatus::success);
    if (is_plain_ || !random_.one_in(12)) {
      database.apply(rules::PassProbation{line.last, {}}, world_.now() - minutes{80});
    }
  }

  void deploy(std::size_t i, bool is_bad) {
    Line& line = lines_[i];
    const std::string number = std::to_string(++line.versions);
    const bool is_again = !is_plain_ && random_.one_in(15);
    line.last = world_.database().deploy(
        world_.now(), line.service, "v" + (is_again ? "2" : number), "c" + number,
        random_.one_in(4) ? DeploymentStatus::success : DeploymentStatus::in_progress);
    line.is_bad = is_bad;
    if (!is_plain_ && random_.one_in(8)) {
      rules::Migration migration;
      migration.name = std::string{names[i]} + "_" + number;
      migration.deployment = line.last;
      migration.applied_at = world_.now();
      migration.backward_compatible = random_.one_in(3);
      migration.has_script = !random_.one_in(4);
      world_.add_migration(migration);
      world_.control_changed();
    }
    world_.after(world_.between(ms(1), ms(50)), [this] { world_.ring(); });
    log(i);
    if (!is_plain_ && random_.one_in(4)) {
      world_.after(world_.between(seconds{1}, seconds{90}), [this, i] { move_pipeline(i); });
    }
  }

  void move_pipeline(std::size_t i) {
    world_.database().set_status(
        world_.now(), lines_[i].last,
        random_.one_in(3) ? DeploymentStatus::failed : DeploymentStatus::success);
    world_.after(world_.between(ms(1), ms(50)), [this] { world_.ring(); });
  }

  // Some bursts that are certainly too much, or a few errors that are not.
  void log(std::size_t i) {
    const bool is_bad = lines_[i].is_bad;
    const std::int64_t bursts = is_bad ? random_.between(2, 6) : random_.between(0, 5);
    const bool is_quick = random_.one_in(2);
    Duration delay = world_.between(ms(1), seconds{20});
    for (std::int64_t b = 0; b < bursts; ++b) {
      if (!is_bad && ++lines_[i].harmless > 5) {
        return;
      }
      const std::int64_t n = is_bad ? random_.between(3, 9) : 1;
      world_.expect_until(world_.now() + delay + world_.between(seconds{2}, seconds{60}));
      world_.after(delay, [this, i, n, is_bad] { burst(i, n, is_bad); });
      delay += is_quick ? world_.between(ms(1), ms(800)) : world_.between(seconds{1}, seconds{15});
    }
  }

  void burst(std::size_t i, std::int64_t n, bool is_bad) {
    if (is_bad && !lines_[i].is_bad) {
      return;
    }
    for (std::int64_t e = 0; e < n; ++e) {
      const Duration age =
          !is_plain_ && random_.one_in(6) ? world_.between(ms(0), ms(1500)) : ms(0);
      world_.database().log_error({world_.now() - age, lines_[i].service, {}});
    }
    world_.after(world_.between(ms(0), ms(random_.one_in(5) ? 700 : 20)),
                 [this] { world_.ring(); });
  }

  void break_things() {
    for (std::int64_t n = random_.between(0, 3); n > 0; --n) {
      world_.after(world_.between(ms(1), seconds{90}), [this, what = random_.between(0, 3)] {
        if (what == 0) {
          world_.break_daemon();
        } else if (what == 1) {
          world_.break_leadership();
        } else if (what == 2) {
          world_.break_feed();
        } else {
          world_.stall_feed();
        }
      });
    }
    if (random_.one_in(5)) {
      const Duration begins = world_.between(ms(1), seconds{60});
      world_.after(begins, [this] { world_.pause(true); });
      world_.after(begins + world_.between(ms(10), seconds{90}), [this] { world_.pause(false); });
    }
    if (random_.one_in(4)) {
      world_.after(world_.between(seconds{2}, seconds{120}),
                   [this] { deploy(0, !world_.is_calm() && random_.one_in(3)); });
    }
  }

  void call_people() {
    for (std::int64_t n = random_.between(0, 3); n > 0; --n) {
      world_.after(world_.between(ms(1), seconds{100}), [this] { ask(); });
    }
  }

  // Mostly one that is not over.
  rules::EventId some_rollback() {
    rules::EventId event;
    for (const auto& [id, rollback] : world_.database().rollbacks()) {
      event = rollback.is_over() && !random_.one_in(4) ? event : id;
    }
    return event;
  }

  void stop_one() { world_.ask(rules::AbortRequest{abort_request, some_rollback(), "no", "ann"}); }

  void ask() {
    switch (random_.between(0, 6)) {
      case 0:
      case 1: {
        const Line& line = random_.pick(lines_);
        rules::ManualRequest request{line.last, "a person says so", ""};
        request.request = 1;
        request.revert_migrations = random_.one_in(3);
        for (const Reason reason :
             {Reason::paused, Reason::migration, Reason::superseded, Reason::already_stable}) {
          if (random_.one_in(3)) {
            request.overrides.push_back(reason);
          }
        }
        if (request.revert_migrations && random_.one_in(2)) {
          world_.after(world_.between(ms(1), seconds{3}), [this] { stop_one(); });  // in the middle
        }
        return world_.ask(request);
      }
      case 2:
      case 3:
        return world_.ask(rules::ApproveRequest{2, some_rollback(), "yes", "ann"});
      case 4:
        return stop_one();
      case 5:
        world_.after(world_.between(ms(100), seconds{60}), [this] {
          world_.ask(rules::PauseRequest{5, false, "", "ann"});
          world_.after(ms(100), [this] { world_.control_changed(); });
        });
        world_.ask(rules::PauseRequest{4, true, "wait", "ann"});
        return world_.control_changed();
      default:
        return world_.ask(rules::CloseBreakerRequest{6, "production", "enough", "ann"});
    }
  }

  IncidentWorld& world_;
  Random& random_;
  bool is_plain_;
  std::vector<Line> lines_;
};

}  // namespace

// One in eight is plain: nothing breaks and nobody asks, so that what is bad has to be rolled back.
IncidentResult play_incident(std::uint64_t seed, IncidentKind kind, SimBug bug) {
  IncidentWorld world{seed, kind, bug};
  const bool is_plain = kind == IncidentKind::any && world.random().one_in(8);
  Script script{world, is_plain};
  script.write();
  world.run();
  if (is_plain && world.result().dispatched == 0) {
    world.oracle().find("a bad deployment that nobody rolls back", world.now());
  }
  return world.result();
}

}  // namespace rollbackd::tests
