#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/discord/replies.hpp"
#include "engine/ports.hpp"

// What a person may mean while typing, from memory: Discord waits three seconds, a database may
// not.
namespace rollbackd::engine {

// The current deployments, for only these can be rolled back without setting something aside; those
// in need first. `typed`: what has to be in their name, environment, service or id.
std::vector<Choice> deployment_choices(const View& view, std::string_view typed);

// Names of what may be set aside, separated by commas; `typed`: the last of them may be unfinished.
std::vector<Choice> override_choices(std::string_view typed);

// The environments whose breaker is open.
std::vector<Choice> breaker_choices(const View& view, std::string_view typed);

// The deployment that is meant by a uuid, by the beginning of one of a current deployment, or by
// its version; otherwise a text that says what there is.
std::variant<rules::DeploymentId, std::string> deployment_meant(const View& view,
                                                                std::string_view typed);

// What is named in a list with commas; otherwise a text that says what may be.
std::variant<std::vector<rules::Reason>, std::string> overrides_meant(std::string_view typed);

}  // namespace rollbackd::engine
