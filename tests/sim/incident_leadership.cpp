// Who of an incident's daemons lives, and who leads.

#include <algorithm>

#include "tests/sim/incident_world.hpp"

namespace rollbackd::tests {
namespace {

using rules::seconds;

constexpr rules::Duration ms(std::int64_t n) { return rules::Duration{n * 1000}; }

}  // namespace

IncidentWorld::Daemon* IncidentWorld::leader() {
  const auto found = std::find_if(daemons_.begin(), daemons_.end(), [this](const Daemon& daemon) {
    return daemon.rules && daemon.epoch != 0 && daemon.epoch == epoch_;
  });
  return found == daemons_.end() ? nullptr : &*found;
}

void IncidentWorld::begin() {
  start_daemon(daemons_[0]);
  lead(daemons_[0]);
  beat();
}

void IncidentWorld::start_daemon(Daemon& daemon) {
  if (daemon.rules) {
    return;
  }
  ++daemon.life;
  daemon.rules.emplace(book_);
  rebuild(daemon);
  read_control(daemon, between(ms(1), ms(500)));
}

// A lease is not taken again before its loss is known: one component holds it, and says both.
void IncidentWorld::lead(Daemon& daemon) {
  lose(daemon);
  daemon.epoch = ++epoch_;
  read_journal(daemon);
}

void IncidentWorld::lose(Daemon& daemon) {
  if (!daemon.rules || daemon.epoch == 0) {
    return;
  }
  if (!daemon.on_their_way.empty() && random_.one_in(2)) {
    write(daemon.on_their_way.front());  // and nobody hears of it
  }
  daemon.epoch = 0;
  daemon.on_their_way.clear();
  daemon.is_writing = false;
  step(daemon, rules::LeadershipLost{});
}

void IncidentWorld::crash(Daemon& daemon) {
  const bool led = daemon.epoch == epoch_;
  daemon = Daemon{{}, daemon.life + 1};
  const bool takes_over = led && random_.one_in(2);
  if (takes_over) {
    Daemon& next = other(daemon);
    after(between(ms(100), seconds{8}), [this, &next] {
      if (leader() == nullptr) {
        start_daemon(next);
        lead(next);
      }
    });
  }
  after(between(ms(50), seconds{20}), [this, &daemon] {
    start_daemon(daemon);
    if (leader() == nullptr) {
      lead(daemon);
    }
  });
}

void IncidentWorld::break_daemon() {
  Daemon& daemon = daemons_[static_cast<std::size_t>(random_.between(0, 1))];
  if (daemon.rules && has_fault(1)) {
    crash(daemon);
  }
}

// It loses it and gets it back, or another daemon gets it; a cut-off leader learns of that late.
void IncidentWorld::break_leadership() {
  Daemon* led = leader();
  if (led == nullptr || !has_fault(1)) {
    return;
  }
  if (random_.one_in(2)) {
    lose(*led);
    while_alive(*led, between(ms(1), seconds{3}), [this, led] {
      if (leader() == nullptr) {
        lead(*led);
      }
    });
    return;
  }
  start_daemon(other(*led));
  lead(other(*led));
  while_alive(*led, between(ms(1), seconds{8}), [this, led, epoch = led->epoch] {
    if (led->epoch == epoch && epoch != epoch_) {
      lose(*led);
    }
  });
}

void IncidentWorld::ask(const rules::Input& request) {
  if (Daemon* led = leader()) {
    step(*led, request);
  }
}

}  // namespace rollbackd::tests
