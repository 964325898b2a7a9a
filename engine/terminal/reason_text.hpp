#pragma once

#include <string_view>

#include "rules/reason.hpp"

namespace rollbackd::terminal {

// What a reason means, and what ends it or what a person can do; whole sentences, for people.
struct ReasonText {
  std::string_view meaning;
  std::string_view remedy;  // empty: there is nothing to be done
};

ReasonText text_of(rules::Reason reason);

}  // namespace rollbackd::terminal
