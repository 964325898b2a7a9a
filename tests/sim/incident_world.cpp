// The daemons of an incident, their feed and their journal.

#include "tests/sim/incident_world.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace rollbackd::tests {
namespace {

using rules::Duration;
using rules::Instant;
using rules::seconds;

// Everything has come to rest by then: late runs are followed for half an hour.
constexpr Instant latest = noon + rules::minutes{4 * 60};
// Nobody acts more often.
constexpr unsigned steps_max = 20'000;

constexpr Duration ms(std::int64_t n) { return Duration{n * 1000}; }

bool is_later(Instant a, std::uint64_t number, Instant b, std::uint64_t other) {
  return a != b ? a > b : number > other;
}

}  // namespace

IncidentWorld::IncidentWorld(std::uint64_t seed, IncidentKind kind, SimBug bug)
    : random_{seed},
      bug_{bug},
      is_calm_{kind == IncidentKind::calm},
      oracle_{database_, is_calm_},
      pace_{seconds{random_.one_in(3) ? random_.between(2, 5) : random_.between(5, 20)}},
      lag_{random_.between(0, 2)} {
  result_.story = rules::mixed(seed);
  static const bool is_told = number_from_environment("TRACE", 0) != 0;
  is_traced_ = is_told;
}

void IncidentWorld::set_policy(const rules::Service& service, rules::Policy policy) {
  book_.set_service(service, std::move(policy));
}

Duration IncidentWorld::between(Duration low, Duration high) {
  return Duration{random_.between(low.count(), high.count())};
}

void IncidentWorld::after(Duration delay, std::function<void()> what) {
  due_.push_back({now_ + delay, ++numbered_, std::move(what)});
  std::push_heap(due_.begin(), due_.end(), [](const Due& a, const Due& b) {
    return is_later(a.at, a.number, b.at, b.number);
  });
}

bool IncidentWorld::has_fault(std::uint64_t one_in) {
  if (faults_left_ == 0 || !random_.one_in(one_in)) {
    return false;
  }
  --faults_left_;
  ++result_.faults;
  return true;
}

void IncidentWorld::run() {
  while (oracle_.finding().empty()) {
    std::optional<Instant> wake;
    std::size_t who = 0;
    for (std::size_t i = 0; i < daemons_.size(); ++i) {
      const auto wanted = daemons_[i].rules ? daemons_[i].rules->wake_at() : std::nullopt;
      if (wanted && (!wake || *wanted < *wake)) {
        wake = wanted;
        who = i;
      }
    }
    if (due_.empty() && !wake) {
      break;
    }
    if (now_ > latest || result_.steps > steps_max) {
      oracle_.find("it does not come to rest", now_);
    } else if (wake && (due_.empty() || *wake < due_.front().at)) {
      tick_or_wait(*wake, who);
    } else {
      std::pop_heap(due_.begin(), due_.end(), [](const Due& a, const Due& b) {
        return is_later(a.at, a.number, b.at, b.number);
      });
      const Due next = std::move(due_.back());
      due_.pop_back();
      now_ = next.at;
      look();
      next.what();
    }
  }
  oracle_.at_the_end(now_);
}

// A daemon wakes up when it wanted to, and never twice in one moment.
void IncidentWorld::tick_or_wait(Instant wake, std::size_t who) {
  now_ = std::max(now_ + Duration{1}, wake);
  look();
  if (daemons_[who].rules) {
    step(daemons_[who], rules::Tick{});
  }
}

void IncidentWorld::step(Daemon& daemon, const rules::Input& input) {
  ++result_.steps;
  if (is_traced_ && input.index() != 0) {
    std::printf("%.6f   %c: input %zu\n", rules::in_seconds(now_ - noon),
                &daemon == daemons_.data() ? 'A' : 'B', input.index());
  }
  rules::Output output = daemon.rules->step(now_, input);
  remember(output);
  oracle_.on_output(output, now_);
  const std::uint64_t life = daemon.life;
  for (rules::Commit& commit : output.commits) {
    hand_over(daemon, std::move(commit));
  }
  for (const rules::Action& action : output.actions) {
    if (daemon.life == life) {
      start(daemon, action);
    }
  }
}

void IncidentWorld::remember(const rules::Output& output) {
  if (output.commits.empty() && output.actions.empty() && output.explanations.empty() &&
      output.answers.empty()) {
    return;
  }
  if (is_traced_) {
    trace(output);
  }
  const auto add = [this](std::uint64_t n) { result_.story = rules::mixed(result_.story ^ n); };
  add(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  for (const rules::Commit& commit : output.commits) {
    add(commit.id);
    for (const rules::JournalEntry& entry : commit.entries) {
      add(entry.index());
      if (const auto* put = std::get_if<rules::PutRollback>(&entry)) {
        add(static_cast<std::uint64_t>(put->rollback.status));
        for (const rules::Step& step : put->rollback.steps) {
          add(static_cast<std::uint64_t>(step.status));
        }
      } else if (const auto* event = std::get_if<rules::RomanEvent>(&entry)) {
        add(std::hash<std::string>{}(event->description));
      }
    }
  }
  for (const rules::Action& action : output.actions) {
    add(action.index());
  }
  for (const rules::Explanation& explanation : output.explanations) {
    add(static_cast<std::uint64_t>(explanation.reason));
  }
  for (const rules::Answer& answer : output.answers) {
    add(static_cast<std::uint64_t>(answer.kind));
  }
}

// TRACE=1 tells the story.
void IncidentWorld::trace(const rules::Output& output) const {
  const auto tell = [this](const std::string& what) {
    std::printf("%.6f %s\n", rules::in_seconds(now_ - noon), what.c_str());
  };
  for (const rules::Commit& commit : output.commits) {
    for (const rules::JournalEntry& entry : commit.entries) {
      if (const auto* event = std::get_if<rules::RomanEvent>(&entry)) {
        tell(event->service.name + " " + event->event_type + ": " + event->description);
      }
    }
  }
  for (const rules::Explanation& explanation : output.explanations) {
    tell(explanation.service.name + " " + std::string{rules::name_of(explanation.reason)});
  }
  for (const rules::Answer& answer : output.answers) {
    tell("answer " + std::to_string(static_cast<int>(answer.kind)));
  }
}

// --- The feed

// What is told and who is woken finds windows of this second, or the last but one at the most.
void IncidentWorld::look() {
  if (rules::second_of(now_) > looked_at_ + lag_) {
    ring();
  }
}

void IncidentWorld::ring() {
  const bool is_known = database_.is_all_told() && rules::second_of(now_) == looked_at_;
  if (now_ < stalled_until_ || is_known) {
    return;
  }
  looked_at_ = rules::second_of(now_);
  std::optional<rules::Input> batch;
  for (Daemon& daemon : daemons_) {
    if (daemon.rules && daemon.has_feed) {
      if (!batch) {
        batch = database_.difference(now_);
      }
      auto& events = std::get<rules::FeedBatch>(*batch).events;
      if (bug_ == SimBug::loses_an_event) {
        events.clear();
      }
      step(daemon, *batch);
      if (bug_ == SimBug::counts_an_event_twice && !events.empty()) {
        step(daemon, *batch);
      }
    }
  }
}

// While something can change the feed looks again and again.
void IncidentWorld::beat() {
  if (is_beating_) {
    return;
  }
  bool is_active = now_ <= busy_until_;
  for (const auto& [id, rollback] : database_.rollbacks()) {
    is_active |= rollback.status == rules::RollbackStatus::in_progress;
  }
  if (is_active) {
    is_beating_ = true;
    after(pace_, [this] {
      is_beating_ = false;
      beat();
    });
  }
}

void IncidentWorld::rebuild(Daemon& daemon) {
  stalled_until_ = now_;
  daemon.has_feed = false;
  ring();  // whoever else looks on sees what this one takes
  daemon.has_feed = true;
  step(daemon, database_.whole(now_));
}

void IncidentWorld::break_feed() {
  Daemon& daemon = daemons_[static_cast<std::size_t>(random_.between(0, 1))];
  if (!daemon.rules || !daemon.has_feed || !has_fault(1)) {
    return;
  }
  daemon.has_feed = false;
  step(daemon, rules::FeedLost{"simulated"});
  while_alive(daemon, between(ms(100), seconds{20}), [this, &daemon] {
    if (!daemon.has_feed) {
      rebuild(daemon);
    }
  });
}

void IncidentWorld::stall_feed() {
  if (has_fault(1)) {
    stalled_until_ = now_ + between(ms(500), seconds{10});
    after(stalled_until_ - now_, [this] { ring(); });
  }
}

// --- The journal

void IncidentWorld::hand_over(Daemon& daemon, rules::Commit commit) {
  if (daemon.epoch != 0 && daemon.epoch == epoch_) {
    oracle_.on_write(commit, daemon.control, daemon.is_fresh, now_);
  }
  if (bug_ == SimBug::acts_before_commit) {
    for (const rules::Action& action : std::exchange(commit.then, {})) {
      start(daemon, action);
    }
  }
  daemon.on_their_way.push_back({std::move(commit), daemon.epoch});
  write_next(daemon);
}

void IncidentWorld::write_next(Daemon& daemon) {
  if (daemon.is_writing || daemon.on_their_way.empty()) {
    return;
  }
  daemon.is_writing = true;
  const bool is_slow = random_.one_in(30);
  while_alive(daemon, is_slow ? between(ms(50), seconds{3}) : between(ms(1), ms(20)),
              [this, &daemon, number = ++daemon.writes] {
                if (number == daemon.writes && daemon.is_writing) {
                  finish_write(daemon);
                }
              });
}

void IncidentWorld::finish_write(Daemon& daemon) {
  const Sent sent = std::move(daemon.on_their_way.front());
  daemon.on_their_way.pop_front();
  daemon.is_writing = false;
  const bool is_unlucky = has_fault(60);
  const bool is_written = is_unlucky && random_.one_in(2) ? false : write(sent);
  if (is_unlucky && random_.one_in(2)) {
    return crash(daemon);
  }
  end_write(daemon, sent, is_written && !is_unlucky);
}

bool IncidentWorld::write(const Sent& sent) {
  if (sent.epoch != epoch_ || !database_.accepts(sent.commit)) {
    return false;
  }
  for (const rules::JournalEntry& entry : sent.commit.entries) {
    const auto* put = std::get_if<rules::PutRollback>(&entry);
    const bool claims = put != nullptr && put->rollback.claimed_at &&
                        put->rollback.step(rules::StepName::trigger_deploy).status ==
                            rules::StepStatus::in_progress;
    const bool is_forgotten = (bug_ == SimBug::journal_lies && claims) ||
                              (bug_ == SimBug::restores_nothing &&
                               std::holds_alternative<rules::RestoreDeployment>(entry));
    if (!is_forgotten) {
      database_.apply(entry, now_);
    }
    if (put != nullptr && put->is_new && !put->rollback.is_over()) {
      ++result_.rollbacks;
      result_.automatic += put->rollback.type == rules::TriggerType::automatic ? 1U : 0U;
    }
    const auto* amended = std::get_if<rules::AmendRollback>(&entry);
    result_.late += amended != nullptr && !amended->rollback.late_outcome.empty() ? 1U : 0U;
  }
  oracle_.on_commit(sent.commit, now_);
  if (!database_.is_all_told()) {
    after(between(ms(1), ms(30)), [this] { ring(); });
  }
  beat();
  return true;
}

// In the loop's order: what waited for it, then what the rules make of it.
void IncidentWorld::end_write(Daemon& daemon, const Sent& sent, bool committed) {
  const std::uint64_t life = daemon.life;
  if (committed) {
    for (const rules::Action& action : sent.commit.then) {
      start(daemon, action);
    }
  } else {
    daemon.on_their_way.clear();
  }
  if (daemon.life != life) {
    return;
  }
  step(daemon, rules::CommitDone{sent.commit.id, committed, {}});
  if (!committed && sent.epoch != epoch_) {
    while_alive(daemon, between(ms(1), ms(100)), [this, &daemon, epoch = daemon.epoch] {
      if (daemon.epoch == epoch && epoch != epoch_) {
        lose(daemon);
      }
    });
  } else if (!committed) {
    read_journal(daemon);
  }
  write_next(daemon);
}

void IncidentWorld::read_journal(Daemon& daemon) {
  while_alive(daemon, between(ms(1), seconds{1}), [this, &daemon, epoch = daemon.epoch] {
    if (epoch == 0 || epoch != epoch_) {
      return;
    }
    rules::JournalRead journal = database_.journal_read(now_);
    if (bug_ == SimBug::forgets_active) {
      journal.active.clear();
    }
    if (bug_ == SimBug::forgets_the_follower) {
      journal.followed.clear();
    }
    if (bug_ == SimBug::forgets_the_latch) {
      journal.histories.clear();
    }
    while_alive(daemon, between(ms(1), ms(20)), [this, &daemon, epoch, journal] {
      if (daemon.epoch == epoch && epoch == epoch_) {
        rules::JournalRead given = journal;
        given.running = daemon.running;
        step(daemon, given);
      }
    });
  });
}

IncidentResult IncidentWorld::result() const {
  IncidentResult result = result_;
  result.finding = oracle_.finding();
  return result;
}

}  // namespace rollbackd::tests
