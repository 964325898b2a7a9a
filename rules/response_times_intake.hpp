#pragma once

#include "rules/output.hpp"
#include "rules/world.hpp"

namespace rollbackd::rules {

// Takes in response times; a whole reading replaces all that was known. They are attributed as
// events are (Deployments::at).
ResponseTimesFinding take_in(World& world, const ResponseTimesRead& read);

}  // namespace rollbackd::rules
