#include "tests/sim/simulation.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "tests/sim/inspector.hpp"
#include "tests/sim/traffic.hpp"

namespace rollbackd::tests {
namespace {

using rules::Duration;
using rules::Instant;
using rules::seconds;

const Instant begin = rules::instant_of(1'765'756'800);  // 2025-12-15 00:00 UTC
constexpr Duration busy = rules::minutes{120};
constexpr Duration rest = rules::minutes{45};  // nothing is followed for longer than that

rules::Policy some_policy(Random& random) {
  rules::Policy policy;
  policy.settle = seconds{random.between(0, 10)};
  policy.executor = random.one_in(3) ? "command" : "github";
  policy.confirm = seconds{random.between(0, 4)};
  policy.cooldown = seconds{random.between(0, 300)};
  policy.verify_window = random.between(5, 60);
  policy.verify_health_url = random.one_in(4);
  policy.probation = seconds{random.between(20, 300)};
  policy.mode = random.one_in(6)   ? rules::Mode::ask
                : random.one_in(8) ? rules::Mode::shadow
                                   : rules::Mode::automatic;
  policy.max_per_hour = static_cast<int>(random.between(1, 6));
  policy.max_age = random.one_in(6) ? rules::minutes{10} : policy.max_age;
  policy.ask_expires = seconds{random.between(10, 1200)};
  policy.may_revert_migrations = random.one_in(2);
  if (random.one_in(4)) {
    policy.triggers.insert(policy.triggers.begin(),
                           {"burn", rules::Signal::errors, random.between(1, 900), 3,
                            seconds{random.between(0, 40)}, rules::TriggerAction::rollback});
  }
  return policy;
}

rules::PolicyBook some_policies(Random& random, const std::vector<rules::Service>& services) {
  rules::PolicyBook book;
  for (const rules::Service& service : services) {
    if (!random.one_in(3)) {
      book.set_service(service, some_policy(random));
    }
  }
  return book;
}

std::vector<rules::Service> some_services(Random& random) {
  const std::vector<rules::Service> all{
      {"production", "api"},  {"production", "web"}, {"staging", "api"},   {"staging", "mail"},
      {"production", "shop"}, {"production", "pay"}, {"production", "cdn"}};
  return {all.begin(), all.begin() + (random.one_in(3) ? 7 : random.between(1, 4))};
}

// All that happens to a world, and when.
class Director {
 public:
  Director(std::uint64_t seed, SimBug bug);
  SimResult run();

 private:
  // Something that happens again and again, at about this distance.
  struct Happening {
    Duration mean;
    std::function<void()> what;
    Instant next;
  };

  SimChance chance();
  void schedule(Duration mean, std::function<void()> what);
  void later(Duration delay, std::function<void()> what);
  void schedule_people();
  void schedule_control();
  void schedule_faults();
  void run_until(Instant until);
  Duration about(Duration mean) {
    return Duration{random_.between(mean.count() / 5, mean.count() * 9 / 5)};
  }
  // Up to this long, mostly short.
  Duration up_to(Duration longest) {
    const auto most = random_.one_in(4) ? longest.count() : longest.count() / 20;
    return Duration{random_.between(0, most)};
  }
  SimDeploy some_deploy();

  Random random_;
  bool is_calm_;
  bool faults_ = true;
  std::vector<rules::Service> services_;
  rules::PolicyBook policies_;
  SimWorld world_;
  Inspector inspector_;
  std::vector<std::unique_ptr<Traffic>> traffic_;
  std::vector<Happening> happenings_;
  double utilisation_ = 20;
  std::size_t dispatched_ = 0;
};

Director::Director(std::uint64_t seed, SimBug bug)
    : random_{seed},
      is_calm_{seed % 10 == 0},
      services_{some_services(random_)},
      policies_{some_policies(random_, services_)},
      world_{policies_, begin, chance()},
      inspector_{world_, policies_} {
  world_.plant(bug);
  if (bug == SimBug::tells_time_differently) {
    static int runs = 0;
    random_ = Random{seed + static_cast<std::uint64_t>(++runs)};
  }
  for (const rules::Service& service : services_) {
    traffic_.push_back(std::make_unique<Traffic>(world_, random_, service, is_calm_));
  }
  schedule_people();
  schedule_control();
  schedule_faults();
}

SimChance Director::chance() {
  SimChance chance;
  chance.audits = true;
  chance.takes = [this](Duration usual) {
    if (!faults_) {
      return usual;
    }
    const std::int64_t long_ago = random_.one_in(200) ? 1000 : 1;
    return usual * random_.between(1, 20) / 10 + Duration{random_.between(0, 3'000) * long_ago};
  };
  chance.commit = [this] {
    if (!faults_ || !random_.one_in(150)) {
      return SimCommit::done;
    }
    return random_.one_in(2) ? SimCommit::lost : SimCommit::confirmation_lost;
  };
  chance.lands = [this] { return random_.one_in(2); };
  chance.deploy = [this](const rules::Deploy& /*deploy*/) { return some_deploy(); };
  chance.deployed = [this](const rules::Deploy& deploy) {
    for (const auto& traffic : traffic_) {
      if (traffic->service() == deploy.service) {
        traffic->run(deploy.version);
      }
    }
  };
  return chance;
}

// What the executor says is one thing, what runs another.
SimDeploy Director::some_deploy() {
  using enum rules::DeployOutcome;
  ++dispatched_;
  SimDeploy how;
  how.takes = up_to(seconds{120}) + Duration{1'000};
  how.listed_after = up_to(seconds{150});
  how.runs = !random_.one_in(3);
  how.heeds_cancel = !random_.one_in(3);
  how.run_ends = random_.one_in(4) ? failed : succeeded;
  how.retry_after = random_.one_in(2) ? Duration{0} : up_to(seconds{150});
  how.deadline = random_.one_in(6) ? seconds{20} : seconds{300};
  switch (random_.between(0, 11)) {
    case 0:
      how.outcome = failed;
      break;
    case 1:
      how.outcome = not_started;
      break;
    case 2:
    case 3:
      how.outcome = unknown;
      break;
    case 4:
      how.outcome = refused;
      how.takes = up_to(seconds{5});
      break;
    case 5:
      how.outcome = cancelled;
      break;
    default:
      how.outcome = succeeded;
  }
  return how;
}

void Director::schedule(Duration mean, std::function<void()> what) {
  happenings_.push_back({mean, std::move(what), world_.time() + about(mean)});
}

void Director::later(Duration delay, std::function<void()> what) {
  world_.after(delay, std::move(what));
}

void Director::schedule_people() {
  for (const auto& owned : traffic_) {
    Traffic* traffic = owned.get();
    traffic->deploy();
    traffic->finish_pipeline();  // so that there is something to go back to
    schedule(rules::minutes{9}, [traffic] { traffic->deploy(); });
    schedule(seconds{40}, [traffic] { traffic->advance_pipeline(); });
    schedule(seconds{2}, [traffic] { traffic->log_errors(seconds{2}); });
    schedule(rules::minutes{50}, [this, traffic] {
      traffic->set_weather(static_cast<double>(random_.between(0, 30)));
      later(up_to(rules::minutes{6}), [traffic] { traffic->set_weather(0); });
    });
    schedule(rules::minutes{45}, [this, traffic] {
      if (!is_calm_) {
        world_.request_rollback(
            random_.one_in(3) ? random_.pick(traffic->rows()) : traffic->rows().back(),
            "asked for");
      }
    });
  }
  schedule(seconds{7}, [this] {
    utilisation_ =
        std::clamp(utilisation_ + static_cast<double>(random_.between(-8, 8)), 5.0, 70.0);
    world_.set_samples({utilisation_, static_cast<std::int64_t>(utilisation_), 3, 40.0});
  });
  schedule(rules::minutes{30}, [this] {
    const double jump = is_calm_ ? 90 : static_cast<double>(random_.between(85, 100));
    world_.set_samples(
        {jump, static_cast<std::int64_t>(jump), 80, random_.one_in(2) ? 97.0 : 30.0});
  });
  schedule(rules::minutes{3}, [this] { world_.health_url_answers(!random_.one_in(4)); });
}

// The emergency stop, and what people say to what waits for them.
void Director::schedule_control() {
  schedule(rules::minutes{40}, [this] {
    const bool by_hand = random_.one_in(2);
    if (by_hand) {
      world_.set_pause(true, "a look by hand");
    } else {
      world_.ask(rules::PauseRequest{1, true, "a look", "somebody"});
    }
    later(up_to(rules::minutes{5}), [this, by_hand] {
      if (by_hand || !world_.is_leading()) {
        world_.set_pause(false, "");
      } else {
        world_.ask(rules::PauseRequest{2, false, "", "somebody"});
      }
    });
  });
  schedule(rules::minutes{25}, [this] {
    world_.ask(rules::CloseBreakerRequest{3, "production", "looked at", "somebody"});
  });
  schedule(rules::minutes{4}, [this] {
    for (const auto& [id, rollback] : world_.rollbacks()) {
      if (rollback.is_over()) {
        continue;
      }
      if (rollback.status == rules::RollbackStatus::pending && random_.one_in(2)) {
        world_.ask(rules::ApproveRequest{4, id, "yes", "somebody"});
      } else if (random_.one_in(6)) {
        world_.ask(rules::AbortRequest{5, id, "no", "somebody"});
      }
    }
  });
  schedule(rules::minutes{20}, [this] {
    const auto& traffic = *traffic_[static_cast<std::size_t>(
        random_.between(0, static_cast<std::int64_t>(traffic_.size()) - 1))];
    world_.add_migration("migration " + std::to_string(world_.time().time_since_epoch().count()),
                         traffic.rows().back(), !random_.one_in(6));
  });
  // One cause for all of them.
  schedule(rules::minutes{60}, [this] {
    const auto errors = static_cast<double>(random_.between(10, 60));
    for (const auto& traffic : traffic_) {
      traffic->set_weather(errors);
    }
    later(up_to(rules::minutes{8}), [this] {
      for (const auto& traffic : traffic_) {
        traffic->set_weather(0);
      }
    });
  });
}

void Director::schedule_faults() {
  const auto fault = [this](Duration mean, Duration longest, std::function<void()> from,
                            std::function<void()> to) {
    schedule(mean, [this, longest, from = std::move(from), to = std::move(to)] {
      if (!faults_) {
        return;
      }
      inspector_.note_fault();
      from();
      later(up_to(longest), [this, to] {
        inspector_.note_fault();
        to();
      });
    });
  };
  fault(
      rules::minutes{15}, seconds{80}, [this] { world_.lose_feed(); },
      [this] { world_.find_feed(); });
  fault(
      rules::minutes{20}, seconds{60}, [this] { world_.kill(); },
      [this] {
        if (!world_.is_up()) {
          world_.boot();
        }
      });
  fault(
      rules::minutes{40}, seconds{60}, [this] { world_.lose_leadership(); },
      [this] { world_.find_leadership(); });
  // What was lost together is noticed, and comes back, one by one.
  fault(
      rules::minutes{35}, seconds{40},
      [this] {
        world_.lose_database();
        later(up_to(seconds{3}), [this] { world_.lose_leadership(); });
      },
      [this] {
        world_.find_database();
        later(up_to(seconds{10}), [this] { world_.find_feed(); });
        later(seconds{3} + up_to(seconds{10}), [this] { world_.find_leadership(); });
      });
  schedule(rules::minutes{4},
           [this] { world_.set_skew(Duration{faults_ ? random_.between(-30'000, 30'000) : 0}); });
}

void Director::run_until(Instant until) {
  while (inspector_.findings().empty()) {
    const auto next =
        std::min_element(happenings_.begin(), happenings_.end(),
                         [](const auto& a, const auto& b) { return a.next < b.next; });
    if (next->next > until) {
      break;
    }
    world_.run_until(next->next);
    next->next += about(next->mean);
    next->what();
  }
  world_.run_until(until);
}

SimResult Director::run() {
  run_until(begin + busy);
  // Whatever is broken is mended, and everybody goes home.
  faults_ = false;
  for (const auto& traffic : traffic_) {
    traffic->calm_down();
  }
  world_.set_samples({20, 20, 3, 40.0});
  world_.set_pause(false, "");
  world_.set_skew(Duration{0});
  world_.health_url_answers(true);
  inspector_.note_fault();
  happenings_.clear();
  schedule(seconds{60}, [] {});
  if (!world_.is_up()) {
    world_.boot();
  }
  world_.find_database();
  world_.find_feed();
  world_.find_leadership();
  run_until(begin + busy + rest);
  if (inspector_.findings().empty()) {
    inspector_.look_at_the_end();
  }
  SimResult result;
  result.findings = inspector_.findings();
  result.rollbacks = world_.rollbacks().size();
  if (is_calm_ && result.rollbacks > 0) {
    result.findings.emplace_back("a rollback in a story without errors");
  }
  result.story = inspector_.story();
  result.dispatched = dispatched_;
  result.deployments = world_.deployments().size();
  result.events = world_.database().events().size();
  return result;
}

}  // namespace

SimResult simulate(std::uint64_t seed, SimBug bug) { return Director{seed, bug}.run(); }

}  // namespace rollbackd::tests
