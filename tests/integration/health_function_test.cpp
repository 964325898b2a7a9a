#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

#include "rules/deployments.hpp"
#include "tests/support/installed.hpp"

// ops.deployment_at() and ops.get_deployment_health() against counts made another way. Each test is
// one transaction, in which now() stands still, and is undone.

namespace rollbackd::tests {
namespace {

struct HealthFunctionTest;

class Transaction {
 public:
  Transaction()
      : connection_{connect(server_of<HealthFunctionTest>().conninfo())}, work_{*connection_} {}

  std::string ask(const std::string& sql) {
    const pqxx::result found = work_.exec(sql);
    return found.empty() || found[0][0].is_null() ? std::string{}
                                                  : std::string{found[0][0].c_str()};
  }
  pqxx::result rows(const std::string& sql) { return work_.exec(sql); }

  // `when` is relative to the current second: "-59 s". Gives the deployment's id.
  std::string deploy(const std::string& when, const std::string& status = "success",
                     const std::string& completed = "", const std::string& service = "app") {
    return ask(
        "insert into ops.deployments (environment, service, version, git_commit, git_branch, "
        "status,"
        " deployed_at, completed_at) values ('production', '" +
        service + "', '1', 'c', 'main', '" + status + "', " + moment(when) + ", " +
        moment(completed) + ") returning deployment_id");
  }

  void log(const std::string& when, const std::string& deployment = "",
           const std::string& severity = "error", const std::string& service = "app") {
    rows(
        "insert into ops.system_logs (timestamp, severity, source, message, service, deployment_id)"
        " values (" +
        moment(when) + ", '" + severity + "', 's', 'm', '" + service + "', " +
        (deployment.empty() ? "null" : "'" + deployment + "'") + ")");
  }

  std::string health(const std::string& deployment, const std::string& key) {
    return ask("select ops.get_deployment_health('" + deployment + "'::uuid) ->> '" + key + "'");
  }
  // "1/5": events of the last minute and of the last five.
  std::string counts(const std::string& deployment) {
    return health(deployment, "error_rate_per_minute") + "/" + health(deployment, "recent_errors");
  }

 private:
  static std::string moment(const std::string& when) {
    return when.empty() ? "null"
           : when.find("infinity") == std::string::npos
               ? "date_trunc('second', now()) + interval '" + when + "'"
               : "'" + when + "'";
  }

  std::unique_ptr<pqxx::connection> connection_;
  pqxx::work work_;
};

}  // namespace

TEST_CASE("a window of N seconds begins after t - N and ends with second t + 60") {
  struct Sample {
    const char* when;
    const char* counts;
  };
  for (const Sample& sample :
       {Sample{"-300 s", "0/0"}, Sample{"-299.000001 s", "0/0"}, Sample{"-299 s", "0/1"},
        Sample{"-60 s", "0/1"}, Sample{"-59.000001 s", "0/1"}, Sample{"-59 s", "1/1"},
        Sample{"0 s", "1/1"}, Sample{"0.999999 s", "1/1"}, Sample{"60 s", "1/1"},
        Sample{"60.999999 s", "1/1"}, Sample{"61 s", "0/0"}, Sample{"infinity", "0/0"},
        Sample{"-infinity", "0/0"}}) {
    for (const bool named : {false, true}) {
      Transaction t;
      const std::string id = t.deploy("-1 hour");
      t.log(sample.when, named ? id : "");
      CHECK_MESSAGE(t.counts(id) == sample.counts, sample.when, named);
    }
  }
}

TEST_CASE("a null timestamp never counts") {
  Transaction t;
  t.rows("alter table ops.system_logs alter column timestamp drop not null");
  const std::string id = t.deploy("-1 hour");
  t.log("", id);
  t.log("");
  CHECK(t.counts(id) == "0/0");
}

TEST_CASE("fewer than 5 events in 5 minutes is healthy, 5 are not") {
  Transaction t;
  const std::string id = t.deploy("-1 hour");
  for (int i = 0; i < 4; ++i) {
    t.log("-200 s");
  }
  CHECK(t.health(id, "healthy") == "true");
  t.log("-1 s", "", "critical");
  CHECK(t.health(id, "healthy") == "false");
  CHECK(t.counts(id) == "1/5");
}

TEST_CASE("only error and critical count") {
  Transaction t;
  const std::string id = t.deploy("-1 hour");
  for (const char* severity : {"debug", "info", "warning"}) {
    t.log("-1 s", id, severity);
  }
  CHECK(t.counts(id) == "0/0");
}

TEST_CASE("numbers are JSON numbers, the second is UTC, an unknown deployment is null") {
  Transaction t;
  t.rows("set local timezone = 'Asia/Kathmandu'");
  const std::string id = t.deploy("-1 hour");
  for (const char* key :
       {"error_rate_per_minute", "recent_errors", "database_connections", "active_queries"}) {
    CHECK(t.ask("select jsonb_typeof(ops.get_deployment_health('" + id + "'::uuid) -> '" + key +
                "')") == "number");
  }
  CHECK(t.health(id, "timestamp") ==
        t.ask("select to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"));
  CHECK(t.ask("select count(*) from jsonb_object_keys(ops.get_deployment_health('" + id +
              "'::uuid))") == "6");
  CHECK(t.ask("select ops.get_deployment_health(gen_random_uuid()) is null") == "t");
  CHECK(t.ask("select ops.get_deployment_health(null) is null") == "t");
}

TEST_CASE("connections are the client backends of the server, active ones those of others") {
  Transaction t;
  const std::string id = t.deploy("-1 hour");
  const auto idle = connect(server_of<HealthFunctionTest>().conninfo("postgres", "postgres"));
  CHECK(t.health(id, "database_connections") ==
        t.ask("select count(*) from pg_stat_activity where backend_type = 'client backend'"));
  CHECK(t.health(id, "active_queries") == "0");
}

TEST_CASE("an event without a deployment belongs to the newest row of its service at its time") {
  Transaction t;
  const std::string old = t.deploy("-1 hour");
  const std::string current = t.deploy("-100 s");
  const std::string other = t.deploy("-50 s", "success", "", "other");
  t.log("-100.000001 s");
  t.log("-100 s");
  t.log("-99 s");
  t.log("-99 s", "", "error", "other");  // before the other service had anything
  t.log("-1 s", "", "error", "other");
  CHECK(t.counts(old) == "0/1");
  CHECK(t.counts(current) == "0/2");
  CHECK(t.counts(other) == "1/1");
}

TEST_CASE("of rows deployed at the same moment the later one serves") {
  Transaction t;
  const std::string first = t.deploy("-100 s");
  const std::string second = t.deploy("-100 s");
  t.log("-100 s");
  CHECK(t.counts(first) == "0/0");
  CHECK(t.counts(second) == "0/1");
}

TEST_CASE("an event that names a deployment is its own, and an unknown name is nobody's") {
  Transaction t;
  const std::string old = t.deploy("-1 hour");
  const std::string current = t.deploy("-100 s");
  t.log("-1 s", old);
  t.log("-1 s", "00000000-0000-0000-0000-000000000001");
  CHECK(t.counts(old) == "1/1");
  CHECK(t.counts(current) == "0/0");
}

TEST_CASE("pending rows, rows without a time and failed ones without an end serve nobody") {
  Transaction t;
  const std::string good = t.deploy("-1 hour");
  const std::string pending = t.deploy("-100 s", "pending");
  const std::string untimed = t.deploy("", "success");
  const std::string failed = t.deploy("-100 s", "in_progress");
  t.rows("alter table ops.deployments disable trigger rollbackd_before_deployment");
  t.rows("update ops.deployments set status = 'failed' where deployment_id = '" + failed + "'");
  t.log("-1 s");
  CHECK(t.counts(good) == "1/1");
  for (const auto& id : {pending, untimed, failed}) {
    CHECK(t.counts(id) == "0/0");
  }
}

TEST_CASE("a failed deployment keeps the events up to its end, later ones are the earlier row's") {
  Transaction t;
  const std::string good = t.deploy("-1 hour");
  const std::string failed = t.deploy("-200 s", "failed", "-100 s");
  t.log("-200.000001 s");
  t.log("-200 s");
  t.log("-100.000001 s");
  t.log("-100 s");
  t.log("-1 s");
  CHECK(t.counts(failed) == "0/2");
  CHECK(t.counts(good) == "1/3");
}

TEST_CASE("the errors of a version that was rolled back never become the good one's") {
  Transaction t;
  const std::string good = t.deploy("-1 hour");
  const std::string bad = t.deploy("-200 s", "rolled_back");
  const std::string replacement = t.deploy("-10 s", "success");
  t.log("-100 s");
  t.log("-10.5 s");
  t.log("-5 s");
  CHECK(t.counts(good) == "0/0");
  CHECK(t.counts(bad) == "1/2");
  CHECK(t.counts(replacement) == "1/1");
}

TEST_CASE("a deployment ahead of now takes the events that are ahead of it") {
  Transaction t;
  const std::string current = t.deploy("-1 hour");
  const std::string next = t.deploy("10 s");
  t.log("9 s");
  t.log("10 s");
  CHECK(t.counts(current) == "1/1");
  CHECK(t.counts(next) == "1/1");
}

namespace {

rules::Instant instant(const pqxx::field& microseconds) {
  return rules::Instant{rules::Duration{microseconds.as<std::int64_t>()}};
}

std::optional<rules::Instant> optional_instant(const pqxx::field& microseconds) {
  return microseconds.is_null() ? std::nullopt : std::optional{instant(microseconds)};
}

// Deployments and events at random, thick around the borders of the windows.
void fill(Transaction& t, unsigned seed) {
  std::mt19937 random{seed};
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const std::vector<std::string> statuses{"pending", "in_progress", "success",
                                          "failed",  "failed",      "rolled_back"};
  const auto when = [&] {
    const std::vector<int> seconds{-600, -400, -300, -299, -298, -150, -61,
                                   -60,  -59,  -30,  0,    59,   60,   61};
    const std::vector<std::string> parts{"", ".000001", ".5", ".999999"};
    return std::to_string(seconds[static_cast<std::size_t>(pick(14))]) +
           parts[static_cast<std::size_t>(pick(4))] + " s";
  };
  std::vector<std::string> ids{"", "", "", "00000000-0000-0000-0000-000000000001"};
  for (int i = 0; i < 30; ++i) {
    const std::string status = statuses[static_cast<std::size_t>(pick(6))];
    ids.push_back(t.deploy(pick(10) == 0 ? "" : when(), status, pick(3) == 0 ? "" : when(),
                           pick(2) == 0 ? "app" : "api"));
  }
  for (int i = 0; i < 300; ++i) {
    t.log(when(), pick(3) == 0 ? ids[static_cast<std::size_t>(pick(34))] : "",
          pick(5) == 0 ? "info" : "error", pick(2) == 0 ? "app" : "api");
  }
}

rules::Deployments read_deployments(Transaction& t) {
  rules::Deployments known;
  for (const pqxx::row& row :
       t.rows("select id, deployment_id, environment, service, status,"
              " (extract(epoch from deployed_at) * 1000000)::bigint,"
              " (extract(epoch from completed_at) * 1000000)::bigint from ops.deployments")) {
    rules::Deployment d;
    d.row = row[0].as<std::int64_t>();
    d.id = *rules::DeploymentId::parse(row[1].c_str());
    d.service = {row[2].c_str(), row[3].c_str()};
    d.status = *rules::deployment_status_named(row[4].c_str());
    d.deployed_at = optional_instant(row[5]);
    d.completed_at = optional_instant(row[6]);
    known.put(d);
  }
  return known;
}

}  // namespace

TEST_CASE("SQL, the rules' attribution and a recount row by row agree on everything") {
  for (unsigned seed = 1; seed <= 15; ++seed) {
    Transaction t;
    fill(t, seed);
    const rules::Deployments known = read_deployments(t);
    const std::int64_t now =
        std::stoll(t.ask("select extract(epoch from date_trunc('second', now()))::bigint"));

    std::map<std::string, std::pair<int, int>> expected;
    for (const pqxx::row& row : t.rows(
             "select (extract(epoch from timestamp) * 1000000)::bigint, deployment_id, environment,"
             " service, ops.deployment_at(environment, service, timestamp)"
             " from ops.system_logs where severity in ('error', 'critical')")) {
      const rules::Deployment* at =
          known.at(rules::Service{row[2].c_str(), row[3].c_str()}, instant(row[0]));
      CHECK((at == nullptr ? std::string{} : at->id.text()) ==
            (row[4].is_null() ? "" : row[4].c_str()));
      const std::string owner = !row[1].is_null() ? row[1].c_str()
                                : at == nullptr   ? ""
                                                  : at->id.text();
      const rules::Second second = rules::second_of(instant(row[0]));
      expected[owner].first += second > now - 60 && second <= now + 60 ? 1 : 0;
      expected[owner].second += second > now - 300 && second <= now + 60 ? 1 : 0;
    }
    for (const pqxx::row& row : t.rows("select deployment_id from ops.deployments")) {
      const auto [minute, five] = expected[row[0].c_str()];
      CHECK_MESSAGE(t.counts(row[0].c_str()) == std::to_string(minute) + "/" + std::to_string(five),
                    "seed ", seed);
    }
  }
}

TEST_CASE("the count reads the partial index and looks attribution up per change, not per row") {
  Transaction t;
  const std::string old = t.deploy("-1 hour");
  t.deploy("-100 s");
  t.rows(
      "insert into ops.system_logs (timestamp, severity, source, message)"
      " select now() - interval '1 day' + n * interval '1 s',"
      " case when n % 2 = 0 then 'error' else 'info' end, 's', 'm'"
      " from generate_series(1, 50000) n");
  t.rows(
      "insert into ops.system_logs (timestamp, severity, source, message)"
      " select now() - (n % 280) * interval '1 s', 'error', 's', 'm'"
      " from generate_series(1, 20000) n");
  t.rows("analyze ops.system_logs");
  t.rows("set local track_functions = 'all'");
  const auto before = t.ask(
      "select pg_stat_get_xact_function_calls("
      "'ops.deployment_at(text,text,timestamptz)'::regprocedure)");
  t.ask("select ops.get_deployment_health('" + old + "'::uuid)");
  const auto after = t.ask(
      "select pg_stat_get_xact_function_calls("
      "'ops.deployment_at(text,text,timestamptz)'::regprocedure)");
  CHECK(std::stoi(after) - (before.empty() ? 0 : std::stoi(before)) <= 4);
  CHECK(std::stoi(t.ask("select pg_stat_get_xact_numscans("
                        "'ops.rollbackd_system_logs_timestamp'::regclass)")) >= 1);
  CHECK(t.ask("select pg_stat_get_xact_tuples_returned('ops.system_logs'::regclass)") == "0");
}

}  // namespace rollbackd::tests
