#include "rules/migrations.hpp"

namespace rollbackd::rules {
namespace {

// A deployment that is not known, perhaps not yet, says no more than none.
const Deployment* deployment_of(const World& world, const Migration& migration) {
  return migration.deployment ? world.deployments.find(*migration.deployment) : nullptr;
}

bool is_since(const World& world, const Migration& migration, const Deployment& target) {
  if (const Deployment* own = deployment_of(world, migration)) {
    return own->service == target.service && deployed_before(target, *own);
  }
  return migration.applied_at && migration.applied_at > target.deployed_at;
}

}  // namespace

std::vector<const Migration*> migrations_since(const World& world, const Deployment& target) {
  std::vector<const Migration*> found;
  if (world.control) {
    const auto& all = world.control->migrations;
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

bool are_migrations_cut(const World& world, const Deployment& target) {
  return world.control && world.control->migrations_cut &&
         (world.control->migrations.empty() ||
          is_since(world, world.control->migrations.front(), target));
}

std::vector<const Migration*> migrations_stuck(const World& world, const Service& service) {
  std::vector<const Migration*> found;
  if (world.control) {
    for (const Migration& migration : world.control->migrations) {
      const Deployment* own = deployment_of(world, migration);
      if (migration.revert_failed && (own == nullptr || own->service == service)) {
        found.push_back(&migration);
      }
    }
  }
  return found;
}

}  // namespace rollbackd::rules
