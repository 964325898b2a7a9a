#pragma once

#include "engine/ports.hpp"

namespace rollbackd::engine {

// Two observers as one; the first is told first.
class Onlookers final : public Observer {
 public:
  Onlookers(Observer& first, Observer& second) : first_{first}, second_{second} {}

  void took(const rules::Input& input) override {
    first_.took(input);
    second_.took(input);
  }
  void decided(const rules::Output& output) override {
    first_.decided(output);
    second_.decided(output);
  }
  void committed(const rules::Commit& commit, rules::Duration waited) override {
    first_.committed(commit, waited);
    second_.committed(commit, waited);
  }

 private:
  Observer& first_;
  Observer& second_;
};

}  // namespace rollbackd::engine
