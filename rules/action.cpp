#include "rules/action.hpp"

#include "rules/names.hpp"

namespace rollbackd::rules {
namespace {

constexpr auto snapshot_types = names_of<SnapshotType>({
    {SnapshotType::pre_deployment, "pre_deployment"},
    {SnapshotType::post_deployment, "post_deployment"},
    {SnapshotType::pre_rollback, "pre_rollback"},
});

}  // namespace

std::string_view name_of(SnapshotType type) { return snapshot_types.name_of(type); }

}  // namespace rollbackd::rules
