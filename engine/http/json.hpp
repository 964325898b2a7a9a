#pragma once

#include <string>

#include "engine/http/api.hpp"
#include "rules/view.hpp"

// The bodies of answers.
namespace rollbackd::engine {

std::string check_json(const rules::CheckView& view);
std::string readiness_json(const Readiness& readiness);

}  // namespace rollbackd::engine
