#include "tests/torture/writers.hpp"

namespace rollbackd::tests::torture {
namespace {

// Few come first; from the second number on only existing ones change.
constexpr std::size_t deployments_first = 25;
constexpr std::size_t deployments_max = 90;

std::string moment(Random& random) {
  switch (random.between(0, 9)) {
    case 0:
    case 1:
    case 2:
      return "now() - interval '" + std::to_string(random.between(1, 280)) + " s'";
    case 3:
      return "now() + interval '" + std::to_string(random.between(1, 60)) + " s'";
    case 4:
      return "date_trunc('second', now())";  // ties
    default:
      return "clock_timestamp()";
  }
}

std::string status(Random& random) {
  static const std::vector<std::string> all{"in_progress", "in_progress", "success",
                                            "success",     "failed",      "pending"};
  return random.pick(all);
}

std::string new_deployment(Random& random, const std::string& id) {
  const ServiceName& service = World::deployed_service(random);
  return "insert into ops.deployments (deployment_id, environment, service, version, git_commit,"
         " git_branch, status, deployed_at) values (" +
         quoted(id) + ", " + quoted(service.environment) + ", " + quoted(service.name) + ", " +
         quoted("v" + std::to_string(random.between(1, 9))) + ", 'c', 'main', " +
         quoted(status(random)) + ", " + (random.one_in(15) ? "null" : moment(random)) + ")";
}

std::string change(Random& random, const std::string& id) {
  std::string what;
  switch (random.between(0, 7)) {
    case 0:
    case 1:
    case 2:
      what = "status = " + quoted(status(random));
      break;
    case 3:
      what = "status = 'failed', completed_at = " + moment(random);
      break;
    case 4:
      what = "version = 'corrected'";
      break;
    case 5:
      if (random.one_in(4)) {  // it was recorded for the wrong service
        const ServiceName& service = World::deployed_service(random);
        what =
            "environment = " + quoted(service.environment) + ", service = " + quoted(service.name);
        break;
      }
      [[fallthrough]];
    default:
      what = "deployed_at = " + moment(random);
  }
  return "update ops.deployments set " + what + " where deployment_id = " + quoted(id);
}

}  // namespace

// Deployments come, change, fail and are corrected, alone or together with events.
std::int64_t Writers::pipeline(Writer& writer) {
  const Gate::Pass pass{gate_};
  if (!pass) {
    return 0;
  }
  Random& random = writer.random;
  const auto known = world_.any(random);
  const std::size_t count = world_.deployments();
  const bool is_new =
      !known || count < deployments_first || (count < deployments_max && random.one_in(3));
  const std::string id =
      !is_new ? *known : (random.one_in(3) ? world_.to_come(random) : World::new_id(random));
  const std::string statement = is_new ? new_deployment(random, id) : change(random, id);
  if (random.one_in(6)) {
    writer.link.run("begin;" + statement + ";" + writer.rows.some(3).sql + ";rollback");
    return 0;
  }
  const Insertion rows = writer.rows.some(static_cast<int>(random.between(1, 5)));
  if (is_new) {
    // It may have come although the answer is lost; and then a writer may well name it.
    world_.add(id);
  }
  writer.link.run("begin;" + statement + ";" + rows.sql + ";insert into torture.ledger values (" +
                  std::to_string(rows.events) + ");commit");
  return rows.events;
}

}  // namespace rollbackd::tests::torture
