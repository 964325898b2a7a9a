#include "tests/torture/writers.hpp"

#include <algorithm>
#include <set>

namespace rollbackd::tests::torture {
namespace {

std::string booked(std::int64_t events) {
  return ";insert into torture.ledger values (" + std::to_string(events) + ")";
}

std::string transaction(const Insertion& insertion, const char* end = "commit") {
  return "begin;" + insertion.sql + booked(insertion.events) + ";" + end + ";";
}

// What a writer may hear when the server is stopped, crashes, or a table is locked: connections
// that end, and time-outs of its own.
bool is_interruption(const SqlError& error) {
  static const std::set<std::string> own{"55P03", "57014"};
  return error.lost || own.contains(error.sqlstate) || error.sqlstate.starts_with("08");
}

}  // namespace

std::string books_ddl() {
  return "create schema torture;"
         "create table torture.ledger (events bigint);"
         "create table torture.deleted (events bigint);"
         "create table torture.removed (removed_at timestamptz, at timestamptz, environment text,"
         " service text, deployment_id uuid);"
         "grant usage on schema torture to public;" +
         other_log_ddl();
}

Writers::Writers(Options options, Gate& gate) : options_{std::move(options)}, gate_{gate} {
  start(1, &Writers::application, 60);
  start(2, &Writers::application, 60);
  start(3, &Writers::application, 200);
  start(4, &Writers::bulk_load, 20);
  start(5, &Writers::long_transaction, 5'000);
  start(6, &Writers::long_transaction, 500);
  start(7, &Writers::short_transaction, 100);
  start(8, &Writers::pipeline, 500);
  start(9, &Writers::house_keeping, 3'000);
  if (options_.with_two_phase) {
    start(10, &Writers::two_phase, 500);
  }
  if (options_.with_removals) {
    start(11, &Writers::removal, 120'000);
  }
}

Writers::~Writers() {
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

std::string Writers::complaint() const {
  const std::lock_guard lock{mutex_};
  return complaint_;
}

void Writers::start(std::uint64_t number, Turn turn, std::int64_t pause_max_ms) {
  threads_.emplace_back([this, number, turn, pause_max_ms] { work(number, turn, pause_max_ms); });
}

void Writers::work(std::uint64_t number, Turn turn, std::int64_t pause_max_ms) {
  constexpr std::chrono::milliseconds before_next_try{20};
  Writer writer{options_, number, world_};
  while (gate_.pause(std::chrono::microseconds{writer.random.between(0, pause_max_ms * 1'000)})) {
    try {
      committed_ += (this->*turn)(writer);
    } catch (const SqlError& error) {
      failed(error);
      gate_.pause(before_next_try);
    }
  }
}

void Writers::failed(const SqlError& error) {
  const std::lock_guard lock{mutex_};
  // Two of our own deletes met in another order; the one that gave way did nothing.
  const bool gave_way = error.sqlstate == "40P01";
  if (!is_interruption(error) && !gave_way && complaint_.empty()) {
    complaint_ = error.sqlstate + " " + error.what();
  }
}

// One transaction, or a burst of them, of every form that an ORM or a person writes.
std::int64_t Writers::application(Writer& writer) {
  const Gate::Pass pass{gate_};
  if (!pass) {
    return 0;
  }
  Random& random = writer.random;
  Rows& rows = writer.rows;
  const Insertion one = rows.some(static_cast<int>(random.one_in(2) ? 1 : random.between(2, 30)));
  switch (random.between(0, 8)) {
    case 0: {  // a savepoint that is rolled back between two that stay
      const Insertion lost = rows.some(3);
      const Insertion kept = rows.some(2);
      writer.link.run("begin;" + one.sql + ";savepoint s;" + lost.sql + ";rollback to s;" +
                      lost.sql + ";savepoint t;" + lost.sql + ";rollback to s;" + kept.sql +
                      ";release s" + booked(one.events + kept.events) + ";commit");
      return one.events + kept.events;
    }
    case 1: {  // an EXCEPTION block that swallows its inserts
      const Insertion kept = rows.some(2);
      writer.link.run("do $do$ begin " + one.sql + "; begin " + rows.some(4).sql +
                      "; perform 1 / 0; exception when division_by_zero then null; end; begin " +
                      kept.sql + "; exception when others then raise; end" +
                      booked(one.events + kept.events) + "; end $do$");
      return one.events + kept.events;
    }
    case 2:  // aborted, by itself or by an error
      if (random.one_in(2)) {
        writer.link.run(transaction(one, "rollback"));
      } else {
        writer.link.run("do $do$ begin begin " + one.sql +
                        "; raise 'no'; exception when raise_exception then null; end; end $do$");
      }
      return 0;
    case 3:
      writer.link.run(rows.infos(static_cast<int>(random.between(1, 200))).sql);
      return 0;
    case 4: {  // many small commits without a pause
      std::string burst;
      std::int64_t events = 0;
      for (std::int64_t i = random.between(10, 60); i > 0; --i) {
        const Insertion next = rows.some(1);
        burst += transaction(next, random.one_in(10) ? "rollback" : "commit");
        events += next.events;
      }
      writer.link.run(burst);
      return events;
    }
    default:
      writer.link.run(transaction(one));
      return one.events;
  }
}

std::int64_t Writers::bulk_load(Writer& writer) {
  const std::int64_t missing = allowed_ - committed_;
  if (missing <= 0) {
    return 0;
  }
  const Gate::Pass pass{gate_};
  if (!pass) {
    return 0;
  }
  Random& random = writer.random;
  static const std::vector<int> sizes{1'000, 3'000, 10'000, 30'000, 100'000, 200'000};
  const int n = static_cast<int>(
      std::min<std::int64_t>({random.pick(sizes), options_.bulk_max, missing + 1'000}));
  if (n <= 10'000 && random.one_in(3)) {
    const Insertion lines = writer.rows.copy_lines(n);
    writer.link.run("begin");
    writer.link.copy(Rows::copy_statement(), lines.sql);
    writer.link.run("insert into torture.ledger values (" + std::to_string(n) + ");commit");
    return n;
  }
  const bool aborts = random.one_in(12);
  writer.link.run(transaction(writer.rows.bulk(n), aborts ? "rollback" : "commit"));
  return aborts ? 0 : n;
}

// Open for a tenth of a second to twenty, also across quiet points; what it wrote long ago commits
// late.
std::int64_t Writers::long_transaction(Writer& writer) {
  Random& random = writer.random;
  return open_for(writer,
                  random.one_in(8) ? random.between(5'000, 20'000) : random.between(100, 3'000));
}

// Long enough for the feed to look while it is open, short enough to end between two interruptions.
std::int64_t Writers::short_transaction(Writer& writer) {
  return open_for(writer, writer.random.between(10, 600));
}

std::int64_t Writers::open_for(Writer& writer, std::int64_t length_ms) {
  Random& random = writer.random;
  const std::int64_t steps = random.between(1, 4);
  std::int64_t events = 0;
  for (std::int64_t step = 0; step <= steps; ++step) {
    if (step > 0 && !gate_.pause(std::chrono::milliseconds{length_ms / steps})) {
      break;
    }
    const Gate::Pass pass{gate_};
    if (!pass) {
      break;
    }
    if (step == steps) {
      if (random.one_in(4)) {
        writer.link.run("rollback");
        return 0;
      }
      writer.link.run("insert into torture.ledger values (" + std::to_string(events) + ");commit");
      return events;
    }
    const Insertion rows = writer.rows.some(static_cast<int>(random.between(1, 40)));
    events += rows.events;
    writer.link.run((step == 0 ? "begin;" : "savepoint s;") + rows.sql);
  }
  writer.link.close();
  return 0;
}

std::int64_t Writers::two_phase(Writer& writer) {
  Random& random = writer.random;
  const Insertion rows = writer.rows.some(static_cast<int>(random.between(1, 40)));
  {
    const Gate::Pass pass{gate_};
    if (!pass) {
      return 0;
    }
    // What an interruption left prepared is ended first, one way or the other.
    for (const auto& left : writer.link.run("select gid from pg_prepared_xacts")) {
      writer.link.run((random.one_in(2) ? "commit prepared " : "rollback prepared ") +
                      quoted(left[0]));
    }
    writer.link.run("begin;" + rows.sql + booked(rows.events) + ";prepare transaction 'torture'");
  }
  gate_.pause(std::chrono::milliseconds{random.between(0, 2'000)});
  const Gate::Pass pass{gate_};
  if (!pass) {
    return 0;
  }
  writer.link.run(random.one_in(4) ? "rollback prepared 'torture'" : "commit prepared 'torture'");
  return rows.events;
}

// Removes what no window can see any more, so that counting stays quick.
std::int64_t Writers::house_keeping(Writer& writer) {
  {
    const Gate::Pass pass{gate_};
    if (!pass) {
      return 0;
    }
    const auto remove = [](const LogTable& log, const char* at, const char* severity) {
      return "with gone as (delete from " + log.name + " where " + at +
             " < now() - interval '340 s' returning " + severity +
             " as s) insert into torture.deleted select count(*) from gone where s in " +
             log.errors + ";";
    };
    writer.link.run(remove(own_log(), "timestamp", "severity") +
                    remove(other_log(), "happened", "level") +
                    "delete from ops.system_logs where severity = 'info';"
                    "delete from torture.removed where removed_at < now() - interval '3 min'");
  }
  if (writer.random.one_in(4)) {
    writer.link.run("vacuum (analyze, truncate off) ops.system_logs");
  }
  return 0;
}

// Removes rows that the windows hold: the feed learns of it by its audit only, a minute later.
std::int64_t Writers::removal(Writer& writer) {
  const Gate::Pass pass{gate_};
  if (!pass) {
    return 0;
  }
  const std::string copied =
      " returning happened, env, svc, deploy, level) , copied as (insert into torture.removed"
      " select clock_timestamp(), happened, env, svc, deploy from gone where level in " +
      other_log().errors +
      ") insert into torture.deleted select count(*) from gone where level in " +
      other_log().errors;
  if (options_.with_other_log && writer.random.one_in(2)) {
    // Not while a long transaction has rows in it, which may wait for us at the gate.
    writer.link.run(
        "do $$ begin lock table torture.lines in access exclusive mode nowait;"
        "with gone as (delete from torture.lines" +
        copied + "; truncate torture.lines; exception when lock_not_available then null; end $$");
  } else {
    writer.link.run(
        "with gone as (delete from ops.system_logs where id in (select id from ops.system_logs"
        " order by random() limit 2000) returning timestamp as happened, environment as env,"
        " service as svc, deployment_id as deploy, severity as level), copied as (insert into"
        " torture.removed select clock_timestamp(), happened, env, svc, deploy from gone"
        " where level in ('error', 'critical')) insert into torture.deleted"
        " select count(*) from gone where level in ('error', 'critical')");
  }
  return 0;
}

}  // namespace rollbackd::tests::torture
