#pragma once

#include <string_view>
#include <vector>

namespace rollbackd::fuzz {

// Something of ours that reads what strangers, people or other programs wrote. A target is one file
// of tests/fuzz; its seeds, and what once broke it, are the files of corpus/<name>/, and words that
// its inputs are made of may be in dictionaries/<name>.dict.
struct Target {
  std::string_view name;
  // Takes any bytes, keeps nothing between two of them, and breaks an INVARIANT where the code does
  // not do what it promises.
  void (*run)(std::string_view input);
};

// Those of this program, by name: one in a fuzzer, all of them in the tests.
std::vector<Target> targets();

// Each target's file has a constant of this.
struct Registered {
  explicit Registered(Target target);
};

}  // namespace rollbackd::fuzz
