#pragma once

#include <functional>

#include "engine/doctor/finding.hpp"
#include "engine/doctor/patient.hpp"

namespace rollbackd::engine {

// Looks at everything that rollbackd needs, changes nothing, and tells each finding as soon as it
// is there. No check takes longer than a deadline of its own, and without the database the rest is
// looked at all the same. Checks that hang are left to their threads: the program has to end
// without waiting for them.
Findings examine(const std::shared_ptr<Patient>& patient,
                 const std::function<void(const Finding&)>& on_finding);

}  // namespace rollbackd::engine
