#include "tests/torture/oracle.hpp"

#include "tests/torture/rows.hpp"

namespace rollbackd::tests::torture {
namespace {

// The feed's audit comes once a minute, and a look may take its time.
constexpr const char* audit_and_some = "interval '80 s'";

std::string events(bool with_other_log) {
  return "select deployment_id, environment, service, timestamp as at, false as removed"
         " from ops.system_logs where severity in " +
         own_log().errors +
         (with_other_log ? " union all select deploy, env, svc, happened, false"
                           " from torture.lines where level in " +
                               other_log().errors
                         : "");
}

// Whose an event of the row r is that names no deployment.
std::string owner(const std::string& r) {
  return "select d.deployment_id from ops.deployments d where d.environment = " + r +
         ".environment and d.service = " + r + ".service and d.deployed_at <= " + r +
         ".at and d.status <> 'pending' and not (d.status = 'failed' and"
         " (d.completed_at is null or d.completed_at <= " +
         r + ".at)) order by d.deployed_at desc, d.id desc limit 1";
}

}  // namespace

// Between two moments at which deployments begin or fail, all rows of a service have one owner: it
// is asked for once for each such piece, not for each row.
Oracle Oracle::look(SqlLink& link, bool with_other_log) {
  const std::string statement =
      "with cuts as materialized (select coalesce(array_agg(at order by at), '{}') as cuts from ("
      " select deployed_at as at from ops.deployments union"
      " select completed_at from ops.deployments where status = 'failed') c where at is not null),"
      " e as (" +
      events(with_other_log) +
      " union all select deployment_id, environment, service, at, true from torture.removed"
      "  where removed_at > clock_timestamp() - " +
      audit_and_some +
      "), r as materialized (select deployment_id, environment, service,"
      " date_trunc('second', at) as second, min(at) as at, count(*) filter (where not removed) as"
      " n, count(*) filter (where removed) as gone,"
      " case when deployment_id is null then width_bucket(at, cuts) end as piece from e, cuts"
      " where at > now() - interval '340 s' and at < now() + interval '120 s'"
      " group by deployment_id, environment, service, date_trunc('second', at),"
      " case when deployment_id is null then width_bucket(at, cuts) end),"
      " p as materialized (select environment, service, piece, min(at) as at from r"
      "  where deployment_id is null group by environment, service, piece),"
      " o as materialized (select p.*, (" +
      owner("p") +
      ") as owner from p) select d.deployment_id, extract(epoch from x.second)::bigint, x.n, x.gone"
      " from ops.deployments d left join (select coalesce(r.deployment_id, o.owner) as owner,"
      "  r.second, sum(r.n) as n, sum(r.gone) as gone from r left join o on r.deployment_id is null"
      "  and (o.environment, o.service, o.piece) = (r.environment, r.service, r.piece)"
      "  group by 1, 2) x on x.owner = d.deployment_id";
  Oracle oracle;
  link.run("set work_mem = '64MB'; set jit = off");
  for (const auto& row : link.run(statement)) {
    auto& seconds = oracle.seconds_[row[0]];
    if (!row[1].empty()) {
      Count& count = seconds[std::stoll(row[1])];
      count.least = std::stoll(row[2]);
      count.most = count.least + std::stoll(row[3]);
      oracle.rows_ += count.least;
    }
  }
  return oracle;
}

std::vector<std::string> Oracle::deployments() const {
  std::vector<std::string> ids;
  for (const auto& [id, seconds] : seconds_) {
    ids.push_back(id);
  }
  return ids;
}

Oracle::Count Oracle::count(const std::string& deployment, std::int64_t second,
                            std::int64_t window) const {
  constexpr std::int64_t ahead = 60;
  Count sum;
  const auto found = seconds_.find(deployment);
  if (found == seconds_.end()) {
    return sum;
  }
  const auto end = found->second.upper_bound(second + ahead);
  for (auto it = found->second.upper_bound(second - window); it != end; ++it) {
    sum.least += it->second.least;
    sum.most += it->second.most;
  }
  return sum;
}

std::string Oracle::objection(const Told& told) const {
  if (told.status != 200) {
    return "/check answers " + std::to_string(told.status);
  }
  const Count minute = count(told.deployment, told.second, 60);
  const Count five = count(told.deployment, told.second, 300);
  if (minute.holds(told.last_minute) && five.holds(told.five_minutes)) {
    return {};
  }
  const auto range = [](const Count& count) {
    return std::to_string(count.least) +
           (count.most > count.least ? " to " + std::to_string(count.most) : "");
  };
  return "at second " + std::to_string(told.second) + " memory says " +
         std::to_string(told.last_minute) + " in 60 s and " + std::to_string(told.five_minutes) +
         " in 300 s, SQL " + range(minute) + " and " + range(five);
}

std::string plain_count(SqlLink& link, bool with_other_log, const std::string& deployment,
                        std::int64_t second) {
  const std::string t = "to_timestamp(" + std::to_string(second) + ")";
  const std::string own = quoted(deployment);
  const SqlRows rows = link.run(
      "select count(*) filter (where date_trunc('second', e.at) > " + t +
      " - interval '60 s'), count(*) from (" + events(with_other_log) +
      ") e where date_trunc('second', e.at) > " + t +
      " - interval '300 s' and date_trunc('second', e.at) <= " + t +
      " + interval '60 s' and case when e.deployment_id is not null then e.deployment_id = " + own +
      " else (e.environment, e.service) = (select environment, service from ops.deployments"
      " where deployment_id = " +
      own + ") and (" + owner("e") + ") = " + own + " end");
  return rows[0][0] + ", " + rows[0][1];
}

}  // namespace rollbackd::tests::torture
