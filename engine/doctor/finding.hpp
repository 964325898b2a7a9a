#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rollbackd::engine {

enum class Health { ok, warning, failed, skipped };

std::string_view name_of(Health health);  // ok, warning, failed, skipped

// What one check found: a line for people, and what to do about it.
struct Finding {
  Health health = Health::ok;
  std::string text;      // never a secret
  std::string remedy{};  // empty: there is nothing to be done
  std::string check{};   // the check's name; the doctor fills it in
};

using Findings = std::vector<Finding>;

inline Finding fine(std::string text) { return {Health::ok, std::move(text)}; }
inline Finding skipped(std::string text) { return {Health::skipped, std::move(text)}; }
inline Finding warning(std::string text, std::string remedy) {
  return {Health::warning, std::move(text), std::move(remedy)};
}
inline Finding failed(std::string text, std::string remedy) {
  return {Health::failed, std::move(text), std::move(remedy)};
}

}  // namespace rollbackd::engine
