#pragma once

#include <string>

namespace rollbackd::tests {

// Runs a scenario script against the real loop and tells what happened, line by line. The script's
// grammar is in tests/scenarios/README.md. Throws std::runtime_error with the line's number when a
// line cannot be read.
std::string tell_scenario(const std::string& script);

}  // namespace rollbackd::tests
