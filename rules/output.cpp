#include "rules/output.hpp"

#include "rules/names.hpp"

namespace rollbackd::rules {
namespace {

constexpr auto alert_kinds = names_of<AlertKind>({
    {AlertKind::initiated, "initiated"},
    {AlertKind::completed, "completed"},
    {AlertKind::failed, "failed"},
    {AlertKind::aborted, "aborted"},
    {AlertKind::rejected, "rejected"},
    {AlertKind::proposed, "proposed"},
    {AlertKind::held, "held"},
    {AlertKind::breaker_opened, "breaker_opened"},
    {AlertKind::late_success, "late_success"},
    {AlertKind::redeployed, "redeployed"},
    {AlertKind::paused, "paused"},
});

}  // namespace

std::string_view name_of(AlertKind kind) { return alert_kinds.name_of(kind); }

std::vector<AlertKind> all_alert_kinds() {
  std::vector<AlertKind> all;
  for (const auto& [kind, name] : alert_kinds.rows) {
    all.push_back(kind);
  }
  return all;
}

}  // namespace rollbackd::rules
