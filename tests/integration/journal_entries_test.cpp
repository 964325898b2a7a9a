// What each entry of the journal does to the tables, and what is read back from them.

#include <doctest/doctest.h>

#include "engine/store/journal_sql.hpp"
#include "engine/store/journal_statements.hpp"
#include "rules/limits.hpp"
#include "tests/support/installed.hpp"
#include "tests/support/random.hpp"

namespace rollbackd::tests {
namespace {

using rules::RollbackStatus;

const rules::Instant noon = rules::instant_of(1'765'800'000);

// A server with a good and a bad deployment, and a connection that writes as the leader.
struct Tables : TwoDeployments {
  Tables() { engine::prepare_statements(*connection); }

  void write(const std::vector<rules::JournalEntry>& entries) const {
    engine::write_entries(*connection, std::stoll(ask("select epoch from ops.leader")), entries);
  }
  template <class Read>
  auto reading(const Read& read) const {
    pqxx::work work{*connection};
    std::vector<std::string> problems;
    auto found = read(work, problems);
    CHECK(problems.empty());
    return found;
  }
  std::vector<rules::Rollback> active() const {
    return reading([](auto& work, auto& problems) { return engine::read_active(work, problems); });
  }
  rules::Instant now() const {
    return rules::Instant{rules::Duration{
        std::stoll(ask("select (extract(epoch from clock_timestamp()) * 1000000)::bigint"))}};
  }
  rules::Rollback rollback(const std::string& id, RollbackStatus status) const {
    rules::Rollback rollback;
    rollback.id = *rules::EventId::parse(id);
    rollback.deployment = *rules::DeploymentId::parse(bad);
    rollback.service = {"production", "api"};
    rollback.status = status;
    rollback.decided_at = noon;
    return rollback;
  }
  // Marks the bad deployment and restores it, as a rollback that nothing came of.
  void roll_back_in_vain() const {
    const auto id = *rules::DeploymentId::parse(bad);
    write({rules::MarkRolledBack{id, rules::DeploymentStatus::success, replacement,
                                 *rules::DeploymentId::parse(good), noon},
           rules::RestoreDeployment{id, rules::DeploymentStatus::success, false, replacement}});
  }
  std::string status_of(const std::string& id) const {
    return ask("select status from ops.deployments where deployment_id = '" + id + "'");
  }

  std::unique_ptr<engine::Connection> connection = engine::open_connection(conninfo("rollbackd"));
  rules::DeploymentId replacement =
      *rules::DeploymentId::parse("22222222-2222-4222-8222-222222222222");
};

const std::string first_id = "11111111-1111-4111-8111-111111111111";
const std::string second_id = "11111111-1111-4111-8111-111111111112";

// Rollbacks of any shape that the rules could hold.
class AnyRollback {
 public:
  explicit AnyRollback(std::uint64_t seed) : random_{seed} {}

  rules::Rollback like(const rules::Rollback& fixed) {
    rules::Rollback r = fixed;
    r.status = random_.one_in(2) ? RollbackStatus::pending : RollbackStatus::in_progress;
    r.version = text();
    r.git_commit = text();
    r.reason = text();
    r.initiated_by = random_.one_in(2)   ? ""
                     : random_.one_in(2) ? id<rules::EventKind>().text()
                                         : text();
    r.token = random_.one_in(2) ? "" : text();
    r.overrides = reasons();
    r.revert_migrations = random_.one_in(2);
    r.decided_at = moment();
    r.evidence = {text(),
                  text(),
                  random_.between(1, 900),
                  number(),
                  number(),
                  number(),
                  random_.between(0, 1000),
                  number(),
                  number(),
                  random_.between(0, 2'000'000'000)};
    for (const rules::Reason name : reasons()) {
      r.validation.checks.push_back(
          {name,
           random_.pick<rules::Outcome>(
               {rules::Outcome::compliant, rules::Outcome::violation, rules::Outcome::warning}),
           value(), value(), text()});
    }
    r.executor = text();
    if (random_.one_in(2)) {
      r.target = rules::Target{id<rules::DeploymentKind>(), text(), text(), maybe(moment()),
                               random_.one_in(2)};
    } else {
      r.target.reset();
    }
    r.replacement = id<rules::DeploymentKind>();
    for (rules::Step& step : r.steps) {
      step = {
          random_.pick<rules::StepStatus>(
              {rules::StepStatus::pending, rules::StepStatus::in_progress,
               rules::StepStatus::success, rules::StepStatus::failed, rules::StepStatus::skipped}),
          maybe(moment()),
          maybe(moment()),
          random_.one_in(2) ? text() : "",
          {{"a", value()}, {"b", value()}}};
    }
    r.old_status =
        random_.one_in(2) ? rules::DeploymentStatus::success : rules::DeploymentStatus::in_progress;
    r.old_health_check_passed = random_.one_in(2);
    r.asked = random_.one_in(2);
    r.expires_at = maybe(moment());
    r.approved = maybe(said());
    r.aborted = maybe(said());
    r.claimed_at = maybe(moment());
    r.claims = static_cast<int>(random_.between(0, 50));
    r.refused_since = maybe(moment());
    r.not_before = maybe(moment());
    r.run = random_.one_in(2) ? text() : "";
    r.run_url = random_.one_in(2) ? text() : "";
    r.followed_until = maybe(moment());
    r.late_outcome = random_.one_in(2) ? text() : "";
    r.serving_from = maybe(moment());
    r.completed_at = maybe(moment());
    r.ended_by = maybe(random_.pick(rules::all_reasons()));
    return r;
  }

 private:
  template <class Value>
  std::optional<Value> maybe(Value value) {
    return random_.one_in(2) ? std::optional{value} : std::nullopt;
  }
  std::string text() {
    static const std::vector<std::string> parts{"v1", " ", "'", "\"", "\\", "$1",   "{}", "\n",
                                                "é",  "🚨", ";", "--", "%",  "null", "0"};
    std::string all;
    for (std::int64_t n = random_.between(1, 8); n > 0; --n) {
      all += random_.pick(parts);
    }
    return all;
  }
  double number() { return static_cast<double>(random_.between(-4'000'000, 4'000'000)) / 4; }
  rules::Value value() {
    switch (random_.between(0, 3)) {
      case 0:
        return random_.one_in(2);
      case 1:
        return random_.between(-1'000'000'000'000, 1'000'000'000'000);
      case 2:
        return number();
      default:
        return text();
    }
  }
  rules::Instant moment() {
    return noon + rules::Duration{random_.between(-1'000'000'000'000, 1'000'000'000'000)};
  }
  rules::Said said() { return {random_.one_in(2) ? text() : "", text(), moment()}; }
  std::vector<rules::Reason> reasons() {
    std::vector<rules::Reason> some;
    for (const rules::Reason reason : rules::all_reasons()) {
      if (random_.one_in(8)) {
        some.push_back(reason);
      }
    }
    return some;
  }
  template <class Kind>
  rules::Uuid<Kind> id() {
    return rules::Uuid<Kind>{rules::derived_uuid({}, random_.between(0, 1'000'000'000), 1)};
  }

  Random random_;
};

}  // namespace

TEST_CASE("a rollback comes back from its row as it was written, new or brought up to date") {
  const Tables f;
  const std::uint64_t from = seed();
  INFO("SEED=" << from);
  AnyRollback any{from};
  const rules::Rollback fixed = f.rollback(first_id, RollbackStatus::pending);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    const rules::Rollback written = any.like(fixed);
    f.write({rules::PutRollback{written, true}});
    REQUIRE(f.active() == std::vector{written});
    const rules::Rollback later = any.like(fixed);
    f.write({rules::PutRollback{later}});
    REQUIRE(f.active() == std::vector{later});
    rows(f.conninfo(), "delete from ops.rollback_events");
  }
}

TEST_CASE("a proposal is a pending row that people can read") {
  const Tables f;
  rules::Rollback proposal = f.rollback(first_id, RollbackStatus::pending);
  proposal.asked = true;
  proposal.expires_at = noon + rules::minutes{30};
  proposal.initiated_by = "discord:1234";
  f.write({rules::PutRollback{proposal, true}});
  CHECK(f.ask("select concat_ws(' ', status, trigger_type, metadata->>'mode',"
              " (metadata->>'expires_at')::timestamptz - initiated_at,"
              " metadata->>'initiated_by', initiated_by is null) from ops.rollback_events") ==
        "pending automatic ask 00:30:00 discord:1234 t");
  rules::Rollback other = f.rollback(second_id, RollbackStatus::in_progress);
  CHECK_THROWS_AS(f.write({rules::PutRollback{other, true}}), pqxx::unique_violation);
}

TEST_CASE("a failed rollback is told what became of its run, and stays failed") {
  const Tables f;
  rules::Rollback failed = f.rollback(first_id, RollbackStatus::in_progress);
  f.write({rules::PutRollback{failed, true}});
  failed.status = RollbackStatus::failed;
  CHECK_THROWS_WITH_AS(f.write({rules::AmendRollback{failed}}),
                       doctest::Contains("the row of the rollback changed 0 rows"),
                       pqxx::sql_error);
  f.write({rules::PutRollback{failed}});
  failed.run = "42";
  failed.late_outcome = "success";
  f.write({rules::AmendRollback{failed}});
  CHECK(f.ask("select concat_ws(' ', status, metadata->>'run', metadata->>'late_outcome')"
              " from ops.rollback_events") == "failed 42 success");
}

TEST_CASE("a late success rolls the deployment back after all, unless its row has moved on") {
  const Tables f;
  f.roll_back_in_vain();
  const rules::SettleLate settle{*rules::DeploymentId::parse(f.bad), f.replacement, noon};
  rows(f.conninfo(),
       "update ops.deployments set status = 'pending' where deployment_id = '" + f.bad + "'");
  f.write({settle});
  CHECK(f.status_of(f.bad) == "pending");
  CHECK(f.status_of(f.replacement.text()) == "failed");
  rows(f.conninfo(),
       "update ops.deployments set status = 'failed' where deployment_id = '" + f.bad + "'");
  f.write({settle});
  CHECK(f.status_of(f.bad) == "rolled_back");
  CHECK(f.status_of(f.replacement.text()) == "success");
  CHECK(f.ask("select deployed_at = '2025-12-15 12:00:00Z' from ops.deployments"
              " where deployment_id = '" +
              f.replacement.text() + "'") == "t");
  f.write({settle});  // again: there is nothing more to settle
  CHECK(f.status_of(f.bad) == "rolled_back");
}

TEST_CASE("a breaker is open once, and closed by a person's SQL or by an entry") {
  const Tables f;
  const rules::OpenBreaker open{"production", "capped", noon};
  f.write({open, open});
  CHECK(f.ask("select concat_ws(' ', count(*), min(reason), bool_or(closed_at is not null))"
              " from ops.breakers") == "1 capped f");
  rows(f.conninfo(),
       "update ops.breakers set closed_at = now(), closed_by = 'a person'"
       " where environment = 'production' and closed_at is null");
  const rules::CloseBreaker close{"production", {"alice", "looked at it", noon}};
  f.write({close, open, close});
  CHECK(f.ask("select string_agg(concat_ws(' ', closed_by, close_reason), ', ' order by id)"
              " from ops.breakers") == "a person, alice looked at it");
}

TEST_CASE("the pause is set and lifted") {
  const Tables f;
  f.write({rules::SetPause{{true, "alice", "moving", noon}}});
  CHECK(f.ask("select concat_ws(' ', paused, paused_by, reason, since = '2025-12-15 12:00:00Z')"
              " from ops.control") == "t alice moving t");
  f.write({rules::SetPause{{false, "", "", {}}}});
  CHECK(f.ask("select paused or paused_by is not null or since is not null from ops.control") ==
        "f");
}

TEST_CASE("nothing is written under an epoch that is over") {
  const Tables f;
  const std::int64_t epoch = std::stoll(f.ask("select epoch from ops.leader"));
  rows(f.conninfo(), "update ops.leader set epoch = epoch + 1");
  CHECK_THROWS_WITH_AS(
      engine::write_entries(*f.connection, epoch, {rules::SetPause{{true, "a", "b", noon}}}),
      doctest::Contains(engine::epoch_lost), pqxx::sql_error);
  CHECK(f.ask("select paused from ops.control") == "f");
}

TEST_CASE("claims are those of automatic rollbacks within the hour, going on or ended") {
  const Tables f;
  const rules::Instant now = f.now();
  int n = 0;
  const auto put = [&](RollbackStatus status, rules::TriggerType type,
                       std::optional<rules::Instant> claimed, rules::Duration ended_ago) {
    rules::Rollback r =
        f.rollback("11111111-1111-4111-8111-11111111111" + std::to_string(n++), status);
    r.type = type;
    r.claimed_at = claimed;
    r.service.environment = "e" + std::to_string(n);
    if (r.is_over()) {
      r.completed_at = now - ended_ago;
    }
    f.write({rules::PutRollback{r, true}});
  };
  using rules::TriggerType;
  put(RollbackStatus::in_progress, TriggerType::automatic, now - rules::minutes{1}, {});
  put(RollbackStatus::success, TriggerType::automatic, now - rules::minutes{59},
      rules::minutes{50});
  put(RollbackStatus::failed, TriggerType::automatic, now - rules::minutes{59}, rules::minutes{1});
  put(RollbackStatus::success, TriggerType::automatic, now - rules::minutes{61}, rules::minutes{1});
  put(RollbackStatus::success, TriggerType::manual, now - rules::minutes{1}, rules::minutes{1});
  put(RollbackStatus::aborted, TriggerType::automatic, {}, rules::minutes{1});
  std::string environments;
  for (const rules::Claim& claim :
       f.reading([&](auto&work, auto&) { return engine::read_claims(work, now); })) {
    environments += claim.environment;
    CHECK(claim.at > now - rules::limits::cap_window);
  }
  CHECK(environments == "e1e2e3");
  // Closing the breaker of e2 makes what was claimed before uncounted.
  f.write({rules::OpenBreaker{"e2", "capped", now}, rules::CloseBreaker{"e2", {"ann", "", now}}});
  CHECK(f.reading([&](auto& work, auto&) { return engine::read_claims(work, now); }).size() == 2);
}

TEST_CASE("a rollback that was given up is followed until its late outcome is noted") {
  const Tables f;
  const auto followed = [&] {
    return f.reading(
        [&](auto& work, auto& problems) { return engine::read_followed(work, problems); });
  };
  rules::Rollback failed = f.rollback(first_id, RollbackStatus::failed);
  failed.completed_at = noon;
  failed.followed_until = noon + rules::minutes{30};
  failed.run = "42";
  f.write({rules::PutRollback{failed, true}});
  CHECK(followed() == std::vector{failed});
  failed.late_outcome = "cancelled";
  f.write({rules::AmendRollback{failed}});
  CHECK(followed().empty());
}

TEST_CASE("a service is latched by a failure, and by a person who aborts an automatic rollback") {
  struct Case {
    const char* what;
    RollbackStatus status;
    rules::TriggerType type;
    bool by_person;
    bool latches;
  };
  const Tables f;
  using rules::TriggerType;
  for (const Case& c :
       {Case{"failed", RollbackStatus::failed, TriggerType::manual, false, true},
        Case{"aborted by a guard", RollbackStatus::aborted, TriggerType::automatic, false, false},
        Case{"aborted by a person", RollbackStatus::aborted, TriggerType::automatic, true, true},
        Case{"a manual one", RollbackStatus::aborted, TriggerType::manual, true, false}}) {
    CAPTURE(c.what);
    rows(f.conninfo(), "delete from ops.rollback_events");
    rules::Rollback r = f.rollback(first_id, c.status);
    r.type = c.type;
    if (c.by_person) {
      r.aborted = rules::Said{"alice", "no", noon};
    }
    f.write({rules::PutRollback{r, true}});
    const auto histories =
        f.reading([](auto& work, auto&) { return engine::read_histories(work); });
    CHECK((histories.size() == 1 && histories[0].latch.has_value()) == c.latches);
  }
}

}  // namespace rollbackd::tests
