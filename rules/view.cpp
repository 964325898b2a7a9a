#include "rules/view.hpp"

#include "rules/names.hpp"

namespace rollbackd::rules {
namespace {

constexpr auto states = names_of<State>({
    {State::healthy, "healthy"},
    {State::watched, "watched"},
    {State::firing, "firing"},
    {State::held, "held"},
    {State::proposed, "proposed"},
    {State::rolling_back, "rolling_back"},
    {State::rolled_back, "rolled_back"},
    {State::rejected, "rejected"},
});

}  // namespace

std::string_view name_of(State state) { return states.name_of(state); }

std::vector<State> all_states() {
  std::vector<State> all;
  for (const auto& [state, name] : states.rows) {
    all.push_back(state);
  }
  return all;
}

}  // namespace rollbackd::rules
