#include "tests/torture/campaign.hpp"

#include <algorithm>
#include <future>
#include <iomanip>
#include <iostream>

#include "tests/support/daemon.hpp"
#include "tests/support/quantile.hpp"

namespace rollbackd::tests::torture {
namespace {

// Of all writers, with the largest bulk load.
constexpr std::chrono::seconds to_finish{60};
constexpr int quiet_attempts_max = 3;
// How often each row is attributed by itself, to check the checker.
constexpr int plain_every = 8;
constexpr std::chrono::milliseconds between_samples{20};
constexpr double progress_every = 10;
constexpr double slow_round = 25;

PostgresOptions server(const CampaignOptions& options) {
  PostgresOptions chosen;
  chosen.tcp = true;
  chosen.settings = {{"max_wal_size", "1GB"},
                     {"shared_buffers", "128MB"},
                     {"checkpoint_timeout", "1h"},
                     {"log_min_messages", "fatal"},
                     {"log_min_error_statement", "panic"},
                     {"max_prepared_transactions", options.two_phase ? "10" : "0"}};
  return chosen;
}

// Seconds since then.
double since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>{std::chrono::steady_clock::now() - begin}.count();
}

}  // namespace

Campaign::Campaign(const CampaignOptions& options)
    : options_{options},
      random_{options.seed},
      postgres_{server(options)},
      proxy_{static_cast<std::uint16_t>(postgres_.port())},
      link_{postgres_.conninfo()} {
  prepare();
}

Campaign::~Campaign() {
  gate_.end();
  writers_.reset();
}

double Campaign::elapsed() const { return since(begin_); }

void Campaign::prepare() {
  std::string output;
  if (run_program({ROLLBACKD_PROGRAM, "install", "--conninfo", postgres_.conninfo()}, output) !=
      0) {
    throw std::runtime_error{"install failed:\n" + output};
  }
  link_.run(books_ddl());
  link_.run("create role stranger login");
  with_other_log_ = !link_
                         .value(
                             "select 1 from pg_proc where proname = 'watch_error_log' and"
                             " pronamespace = 'ops'::regnamespace")
                         .empty();
  if (with_other_log_) {
    for (const auto& left : link_.run(watch_other_log())) {
      link_.run(left[0]);
    }
  }
  target_ = std::make_unique<Target>("host=127.0.0.1 port=" + std::to_string(proxy_.port()) +
                                     " user=rollbackd dbname=app sslmode=disable");
  faults_ = std::make_unique<Faults>(options_.seed, postgres_, proxy_, *target_, gate_);
  Writers::Options writers;
  writers.conninfo = postgres_.conninfo();
  writers.seed = options_.seed;
  writers.with_other_log = with_other_log_;
  writers.with_two_phase = options_.two_phase;
  writers.with_removals = options_.removals;
  writers_ = std::make_unique<Writers>(writers, gate_);
}

bool Campaign::is_done() const {
  return writers_->committed() >= options_.events && faults_->total() >= options_.interruptions &&
         elapsed() >= options_.seconds;
}

bool Campaign::run() {
  std::cout << "torture feed: seed " << options_.seed << ", at least " << options_.events
            << " events and " << options_.interruptions << " interruptions"
            << (with_other_log_ ? ", two watched logs" : ", one watched log")
            << (options_.two_phase ? ", prepared transactions" : "") << std::endl;
  eventually("the daemon to answer", 60, [this] { return !target_->metrics().empty(); });
  begin_ = Clock::now();
  bool held = quiet_point();
  while (held && !is_done()) {
    const auto begin = Clock::now();
    chaos();
    const double in_chaos = since(begin);
    report_.in_chaos += in_chaos;
    held = quiet_point();
    if (since(begin) > slow_round) {
      std::cout << "a round took " << since(begin) << " s, of which chaos " << in_chaos
                << " s; the latest interruptions:\n"
                << faults_->latest() << std::flush;
    }
    say_progress();
  }
  held = held && close_the_books();
  say_report(held);
  return held;
}

// Half a second to three of it. Events come in step with the interruptions. Every interruption that
// costs the feed its connection makes it count everything anew: what comes after the last one is
// what the differences have to find, and some rounds have none of that kind at all.
void Campaign::chaos() {
  constexpr std::int64_t lead = 20'000;
  const double done =
      std::min(1.0, (options_.interruptions == 0
                         ? 1.0
                         : static_cast<double>(faults_->total() + 6) / options_.interruptions));
  writers_->allow(static_cast<std::int64_t>(static_cast<double>(options_.events) * done) + lead);
  gate_.open();
  const bool gentle = random_.one_in(3);
  const std::int64_t length_ms = random_.between(600, 1'800);
  const auto last = Clock::now() + std::chrono::milliseconds{length_ms};
  const std::int64_t gap_ms = length_ms / random_.between(5, 20);
  wait_until(Clock::now() + std::chrono::milliseconds{random_.between(0, 400)});
  while (Clock::now() < last) {
    faults_->strike(gentle);
    wait_until(std::min(last, Clock::now() + std::chrono::milliseconds{
                                                 random_.between(gap_ms / 2, gap_ms * 3 / 2)}));
  }
  wait_until(Clock::now() + std::chrono::milliseconds{random_.between(0, 1'200)});
}

void Campaign::wait_until(Clock::time_point moment) {
  while (Clock::now() < moment) {
    faults_->heal_due();
    const auto wake = std::min(moment, faults_->next_end());
    gate_.pause(
        std::max(std::chrono::microseconds{0},
                 std::chrono::duration_cast<std::chrono::microseconds>(wake - Clock::now())));
  }
}

// What an interruption left behind may still end the campaign's own connection.
bool Campaign::quiet_point() {
  for (int attempt = 1;; ++attempt) {
    try {
      return look_at_quiet_point();
    } catch (const SqlError& error) {
      if (!error.lost || attempt == quiet_attempts_max) {
        throw;
      }
    }
  }
}

bool Campaign::look_at_quiet_point() {
  faults_->heal_all();
  const auto healed = Clock::now();
  if (faults_->lost_the_daemon()) {
    return fail("the daemon ended by itself");
  }
  if (!gate_.close(to_finish)) {
    return fail("the writers did not finish");
  }
  if (const std::string complaint = writers_->complaint(); !complaint.empty()) {
    return fail("a writer's statement failed: " + complaint);
  }
  report_.finishing += since(healed);
  const auto quiet = Clock::now();
  link_.close();  // the server may have been another one meanwhile
  std::vector<Sample> samples;
  const Oracle oracle = look_meanwhile(samples);
  report_.looking += since(quiet);
  rows_in_windows_ = oracle.rows();
  deployments_ = oracle.deployments();
  std::vector<Told> told;
  std::string objection;
  const auto right = become_right(oracle, samples, told, objection);
  if (!right) {
    // The tables rest. If they did not, the fault would be the campaign's.
    const Oracle again = Oracle::look(link_, with_other_log_);
    for (const Told& one : told) {
      if (again.objection(one) != oracle.objection(one)) {
        objection += "\n(the tables changed meanwhile: " + again.objection(one) + ")";
      }
    }
    return fail(objection);
  }
  ++report_.quiet_points;
  report_.comparisons += static_cast<std::int64_t>(told.size());
  report_.times_to_be_right.push_back(
      std::max(0.0, std::chrono::duration<double>{*right - quiet}.count()));
  return look_at_metrics() && (report_.quiet_points % plain_every != 0 || compare_plainly(told));
}

// The statement takes as long as the daemon may need, and its end is not the moment to be measured.
Oracle Campaign::look_meanwhile(std::vector<Sample>& samples) {
  auto looking =
      std::async(std::launch::async, [this] { return Oracle::look(link_, with_other_log_); });
  while (looking.wait_for(between_samples) != std::future_status::ready) {
    const auto asked = Clock::now();
    samples.push_back({asked, target_->check(deployments_)});
  }
  return looking.get();
}

std::optional<Campaign::Clock::time_point> Campaign::become_right(
    const Oracle& oracle, const std::vector<Sample>& samples, std::vector<Told>& told,
    std::string& objection) {
  const auto first_objection = [&oracle](const std::vector<Told>& all, std::size_t expected) {
    std::string first = all.size() < expected ? "the daemon does not answer" : "";
    for (const Told& one : all) {
      const std::string problem = first.empty() ? oracle.objection(one) : "";
      if (!problem.empty()) {
        first = "deployment " + one.deployment + ": " + problem;
      }
    }
    return first;
  };
  const auto limit = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>{options_.right_within});
  std::optional<Clock::time_point> right;
  for (const Sample& sample : samples) {
    const bool is_right = !sample.told.empty() && first_objection(sample.told, 0).empty();
    right = is_right ? right.value_or(sample.at) : std::optional<Clock::time_point>{};
  }
  while (true) {
    const auto asked = Clock::now();
    told = target_->check(deployments_);
    objection = first_objection(told, deployments_.size());
    if (objection.empty()) {
      return right.value_or(asked);
    }
    right.reset();
    if (Clock::now() > limit) {
      explain_first(oracle, told);
      return std::nullopt;
    }
    gate_.pause(between_samples);
  }
}

void Campaign::explain_first(const Oracle& oracle, const std::vector<Told>& told) {
  for (const Told& one : told) {
    if (!oracle.objection(one).empty()) {
      explain(one.deployment);
      return;
    }
  }
}

bool Campaign::look_at_metrics() {
  auto now = target_->metrics();
  if (now.empty()) {
    return fail("no metrics");
  }
  const auto grown = [&](const char* name) {
    // A daemon that was started anew counts from nothing.
    const double before = now[name] >= counters_[name] ? counters_[name] : 0;
    return now[name] - before;
  };
  report_.rebuilds += grown("rollbackd_feed_rebuilds_total");
  report_.told += grown("rollbackd_feed_events_total");
  counters_ = now;
  const double memory = now["process_resident_memory_bytes"] / 1024 / 1024;
  report_.memory_peak_mib = std::max(report_.memory_peak_mib, memory);
  if (now["rollbackd_window_drift"] != 0) {
    return fail("rollbackd_window_drift is " + std::to_string(now["rollbackd_window_drift"]));
  }
  if (memory > options_.memory_max_mib) {
    return fail("the daemon's memory is " + std::to_string(memory) + " MiB");
  }
  return true;
}

bool Campaign::compare_plainly(const std::vector<Told>& told) {
  if (told.empty()) {
    return true;
  }
  const Told& one = random_.pick(told);
  const Oracle::Count five =
      Oracle::look(link_, with_other_log_).count(one.deployment, one.second, 300);
  if (five.most > 5'000 || five.most != five.least) {
    return true;  // it would take too long
  }
  ++report_.plain_comparisons;
  const std::string plain = plain_count(link_, with_other_log_, one.deployment, one.second);
  const std::string memory =
      std::to_string(one.last_minute) + ", " + std::to_string(one.five_minutes);
  return plain == memory ||
         fail("deployment " + one.deployment + " at second " + std::to_string(one.second) +
              ": memory says " + memory + ", the plain statement " + plain);
}

// What writers committed is what is in the tables, and what was deleted.
bool Campaign::close_the_books() {
  report_.events = std::stoll(link_.value("select coalesce(sum(events), 0) from torture.ledger"));
  const std::string found = link_.value(
      "select (select count(*) from ops.system_logs where severity in ('error', 'critical'))"
      " + (select count(*) from torture.lines where level in ('ERROR', 'FATAL'))"
      " + (select coalesce(sum(events), 0) from torture.deleted)");
  if (std::stoll(found) != report_.events) {
    return fail("the books say " + std::to_string(report_.events) + " events, the tables " + found +
                ": the campaign itself is wrong, or the server lost commits");
  }
  if (report_.told > static_cast<double>(report_.events)) {
    return fail("the daemon told of " + std::to_string(report_.told) + " events, committed were " +
                std::to_string(report_.events));
  }
  return true;
}

bool Campaign::fail(const std::string& what) {
  std::cout << "\nFAILED after " << elapsed() << " s, seed " << options_.seed << ": " << what
            << "\n--- the latest interruptions ---\n"
            << faults_->latest() << "--- the end of the daemon's log ---\n"
            << target_->log_tail(60) << "--- the end of the server's log ---\n"
            << postgres_.log_tail(10) << std::flush;
  return false;
}

// The rows around: the deployments of its service, and its events by second.
void Campaign::explain(const std::string& deployment) {
  const std::string id = quoted(deployment);
  const auto print = [this](const char* title, const std::string& sql) {
    std::cout << "--- " << title << " ---\n";
    for (const auto& row : link_.run(sql)) {
      for (const std::string& field : row) {
        std::cout << field << " | ";
      }
      std::cout << "\n";
    }
  };
  print("deployments of the service",
        "select deployment_id, id, status, deployed_at, completed_at, xid, environment, service"
        " from ops.deployments where (environment, service) = (select environment, service"
        " from ops.deployments where deployment_id = " +
            id + ") order by deployed_at");
  print("rows of the last 20 s that it or its service may own, by second",
        "select date_trunc('second', timestamp), deployment_id, count(*), min(xid::text),"
        " max(xid::text), min(message) from ops.system_logs where severity in ('error',"
        " 'critical') and timestamp > now() - interval '340 s' and timestamp < now() + interval"
        " '2 min' and (deployment_id = " +
            id +
            " or deployment_id is null and (environment, service) = (select environment, service"
            " from ops.deployments where deployment_id = " +
            id + ")) group by 1, 2 order by 1 desc limit 40");
  print("now", "select now(), pg_current_snapshot()");
}

void Campaign::say_progress() {
  if (since(said_) < progress_every) {
    return;
  }
  said_ = Clock::now();
  const auto& times = report_.times_to_be_right;
  std::cout << std::fixed << std::setprecision(1) << std::setw(7) << elapsed()
            << " s: " << writers_->committed() << " events, " << faults_->total()
            << " interruptions, " << report_.quiet_points << " quiet points, "
            << static_cast<int>(report_.rebuilds) << " rebuilds, " << rows_in_windows_
            << " rows in the windows; right again after " << std::setprecision(2)
            << quantile(times, 0.5) << " s (median), "
            << *std::max_element(times.begin(), times.end()) << " s (worst); peak "
            << static_cast<int>(report_.memory_peak_mib) << " MiB" << std::endl;
}

void Campaign::say_report(bool held) const {
  const auto& times = report_.times_to_be_right;
  std::cout << std::fixed << std::setprecision(1) << (held ? "\nheld" : "\nDID NOT HOLD")
            << ": seed " << options_.seed << ", " << elapsed() << " s, "
            << (held ? report_.events : writers_->committed()) << " events committed, "
            << faults_->total() << " interruptions, " << report_.quiet_points << " quiet points, "
            << report_.comparisons << " deployments compared (" << report_.plain_comparisons
            << " by the plain statement), " << static_cast<std::int64_t>(report_.told)
            << " events told by differences, " << static_cast<std::int64_t>(report_.rebuilds)
            << " rebuilds, right again after " << std::setprecision(2) << quantile(times, 0.5)
            << " s (median), "
            << (times.empty() ? 0 : *std::max_element(times.begin(), times.end()))
            << " s (worst), peak memory " << report_.memory_peak_mib << " MiB; "
            << std::setprecision(0) << report_.in_chaos << " s of chaos, " << report_.finishing
            << " s until the writers had finished, " << report_.looking
            << " s of looking at the tables\n";
  for (const auto& [kind, count] : faults_->count()) {
    std::cout << "  " << std::setw(5) << count << " " << kind << "\n";
  }
  std::cout << std::flush;
}

}  // namespace rollbackd::tests::torture
