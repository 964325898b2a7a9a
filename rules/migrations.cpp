#include "rules/migrations.hpp"

namespace rollbackd::rules {
namespace {

// A deployment that is not known may be one of the service: it counts as none.
bool is_since(const World& world, const Migration& migration, const Deployment& target) {
  const Deployment* of =
      migration.deployment ? world.deployments.find(*migration.deployment) : nullptr;
  if (of != nullptr) {
    return of->service == target.service && deployed_before(target, *of);
  }
  return migration.applied_at > target.deployed_at;
}

}  // namespace

std::vector<const Migration*> migrations_since(const World& world, const Deployment& target) {
  std::vector<const Migration*> found;
  if (world.control) {
    const std::vector<Migration>& all = world.control->migrations;
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
      if (is_since(world, *it, target)) {
        found.push_back(&*it);
      }
    }
  }
  return found;
}

std::vector<std::string> names_of(const std::vector<const Migration*>& migrations) {
  std::vector<std::string> names;
  names.reserve(migrations.size());
  for (const Migration* migration : migrations) {
    names.push_back(migration->name);
  }
  return names;
}

}  // namespace rollbackd::rules
