#include "engine/store/sampler.hpp"

#include "engine/database/statement.hpp"
#include "engine/memory_use.hpp"
#include "engine/store/schema.hpp"

namespace rollbackd::engine {
namespace {

constexpr rules::Duration sample_every = rules::seconds{1};
// How often the schema is looked at: seldom while it is well, soon again while somebody mends it.
constexpr rules::Duration schema_every = rules::minutes{1};
constexpr rules::Duration broken_schema_every = rules::seconds{2};

// A role without pg_read_all_stats sees other sessions as rows without a type; then the number of
// backends of all databases has to do. From PostgreSQL 16 on some connections are reserved for
// pg_use_reserved_connections, too.
const Statement& sample_statement() {
  static const Statement statement{
      "sample",
      "select coalesce(pg_has_role(current_user, 'pg_read_all_stats', 'usage'), false) as sees_all,"
      " (select count(*) from pg_stat_activity where backend_type = 'client backend'),"
      " (select count(*) from pg_stat_activity where backend_type = 'client backend'"
      "    and state = 'active' and pid <> pg_backend_pid()),"
      " (select coalesce(sum(numbackends), 0) from pg_stat_database),"
      " current_setting('max_connections')::int"
      "   - current_setting('superuser_reserved_connections')::int"
      "   - coalesce(current_setting('reserved_connections', true)::int, 0),"
      " pg_notification_queue_usage(),"
      " (select count(*) from pg_locks where locktype = 'object' and classid = 1262"
      "    and objid = 0 and not granted), " +
          Disturbers::count_of_strangers()};
  return statement;
}

}  // namespace

Sampler::Sampler(asio::io_context& reactor, const ConnectionInfo& info, Inbox& inbox, Log& log,
                 Meter& meter, Board& board)
    : reactor_{reactor},
      inbox_{inbox},
      log_{log},
      meter_{meter},
      board_{board},
      timer_{reactor},
      disturbers_{log, board},
      session_{info,
               {"sampler", rules::seconds{5}, [](Connection&) {},
                [this](const std::string& why) {
                  meter_.set(Level::database_up, 0);
                  board_.report(Part::sampler, "connections cannot be counted: " + why);
                }},
               log} {}

void Sampler::stop() {
  stopping_ = true;
  timer_.cancel();
}

void Sampler::sample() {
  session_.run_when_connected(
      [this](Connection& connection) {
        const SteadyTime begun = steady_now();
        // The sample first: a deployment that arrives meanwhile is judged by what was before it.
        inbox_.post(measure(connection));
        meter_.observe(Timing::sample, rules::in_seconds(steady_now() - begun));
        meter_.set(Level::database_up, 1);
        look_at_schema(connection);
        board_.report(Part::sampler, "");
        asio::post(reactor_, [this] { again(); });
      },
      [this](const SessionFailure& failure) {
        meter_.count(Count::samples_failed);
        meter_.set(Level::database_up, 0);
        board_.report(Part::sampler, "connections cannot be counted: " + failure.what);
        asio::post(reactor_, [this] { again(); });
      });
}

void Sampler::again() {
  if (stopping_) {
    return;
  }
  timer_.expires_after(sample_every);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      sample();
    }
  });
}

// A trigger that is gone or disabled makes no query fail, only detection slow.
void Sampler::look_at_schema(Connection& connection) {
  const SteadyTime now = steady_now();
  if (schema_due_ && now < *schema_due_) {
    return;
  }
  const auto state = check_schema(connection);
  const std::string problem = state ? state->problem() : state.error().what;
  schema_due_ = now + (problem.empty() ? schema_every : broken_schema_every);
  board_.report(Part::schema, problem);
  if (problem != told_schema_) {
    told_schema_ = problem;
    if (!problem.empty()) {
      log_.error("schema_incomplete", {{"what", problem}});
    } else {
      log_.info("schema_complete");
    }
  }
}

rules::Sampled Sampler::measure(Connection& connection) {
  const Transaction work = begin_single(connection);
  const pqxx::row row = run_statement(connection, *work, sample_statement())[0];
  work->commit();
  const bool sees_all = row[0].as<bool>();
  if (!sees_all && !told_blind_) {
    told_blind_ = true;
    log_.warning("statistics_hidden",
                 {{"remedy", std::string{"grant pg_read_all_stats to the daemon's role; until then "
                                         "connections are counted by pg_stat_database"}}});
  }
  rules::Sampled sampled;
  sampled.connections = sees_all ? row[1].as<std::int64_t>() : row[3].as<std::int64_t>();
  sampled.active_queries = row[2].as<std::int64_t>();
  const auto usable = row[4].as<std::int64_t>();
  sampled.connection_utilisation =
      usable > 0 ? 100.0 * static_cast<double>(sampled.connections) / static_cast<double>(usable)
                 : 100.0;
  sampled.memory_utilisation = memory_utilisation();
  meter_.count(Count::samples);
  meter_.set(Level::connection_utilisation_percent, sampled.connection_utilisation);
  meter_.set(Level::memory_utilisation_percent, sampled.memory_utilisation.value_or(0));
  meter_.set(Level::notify_queue_usage_ratio, row[5].as<double>());
  meter_.set(Level::notify_lock_waiters, row[6].as<double>());
  meter_.set(Level::doorbell_strangers, row[7].as<double>());
  disturbers_.look(connection, row[7].as<std::int64_t>(), row[5].as<double>());
  return sampled;
}

}  // namespace rollbackd::engine
