#include "tests/bench/feed/detection.hpp"

#include <stdexcept>

namespace rollbackd::tests {
namespace {

constexpr double patience_seconds = 10;

}  // namespace

Detection::Detection(Ground& ground, const std::string& name, int services)
    : ground_{ground}, name_{name}, services_{services} {
  std::string last;
  for (int i = 0; i < services; ++i) {
    last = ground_.stage().ask(
        "insert into ops.deployments (environment, service, version, git_commit, git_branch,"
        " status, deployed_at, health_check_passed) values ('" +
        environment(i) +
        "', 'app', 'v1', 'commit-of-v1', 'main', 'success', now() - interval '2 hours', true),"
        " ('" +
        environment(i) +
        "', 'app', 'v2', 'commit-of-v2', 'main', 'success', now() - interval '1 hour', false)"
        " returning deployment_id");
  }
  ground_.wait_until_known(last);
}

std::string Detection::environment(int number) const { return name_ + std::to_string(number); }

std::vector<double> Detection::run() {
  std::vector<double> taken;
  const auto writer = connect(ground_.conninfo());
  const auto reader = connect(ground_.conninfo());
  for (int i = 0; i < services_; ++i) {
    const std::string error =
        "insert into ops.system_logs (severity, source, message, environment, service) values"
        " ('error', 'bench', 'it broke', '" +
        environment(i) + "', 'app') returning pg_current_xact_id()";
    for (int before = 0; before < 5; ++before) {
      query(*writer, error);
    }
    const std::string xid = query(*writer, error);
    std::string milliseconds;
    try {
      eventually("the decision", patience_seconds, [&] {
        milliseconds =
            query(*reader,
                  "select extract(epoch from pg_xact_commit_timestamp(d.xmin)"
                  " - pg_xact_commit_timestamp('" +
                      xid +
                      "'::text::xid)) * 1000 from ops.roman_events d where d.event_type ="
                      " 'rollback_initiated' and d.metadata->>'environment' = '" +
                      environment(i) + "' order by d.id limit 1");
        return !milliseconds.empty();
      });
    } catch (const std::runtime_error&) {
      taken.push_back(patience_seconds * 1000);
      return taken;
    }
    taken.push_back(std::stod(milliseconds));
  }
  return taken;
}

}  // namespace rollbackd::tests
