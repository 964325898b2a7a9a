#pragma once

#include <set>

#include "engine/settings_reader.hpp"

// The part of the configuration that decides about rollbacks: triggers, probation, blame_window,
// rollback and the same again for single environments and services.
namespace rollbackd::engine {

// How many different windows the whole configuration asks for; each costs memory for every
// deployment.
class WindowLengths {
 public:
  WindowLengths();
  // Notes a problem at the first one that is too many.
  void take(rules::Second window, const Value& place);

 private:
  std::set<rules::Second> lengths_;
  bool told_ = false;
};

// Fills in policies and execution from the keys of the whole file.
void read_policies(const Section& file, Settings& settings);

}  // namespace rollbackd::engine
