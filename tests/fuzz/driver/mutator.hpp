#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/support/random.hpp"

namespace rollbackd::fuzz {

// Changes inputs as fuzzers do, for where there is no libFuzzer: it learns nothing from coverage,
// but the same seed gives the same inputs everywhere.
class Mutator {
 public:
  // `seeds`: at least one. `words`: what inputs are made of; may be empty.
  Mutator(std::vector<std::string> seeds, std::vector<std::string> words, std::uint64_t seed);

  std::string next();

 private:
  void change(std::string& text);
  std::size_t place_in(const std::string& text);

  std::vector<std::string> seeds_;
  std::vector<std::string> words_;
  tests::Random random_;
};

// The words of a dictionary as libFuzzer reads it: lines name="word" or "word", with \\, \" and
// \xAB inside; # begins a comment. REQUIRES: it is one.
std::vector<std::string> words_of(const std::string& dictionary);

}  // namespace rollbackd::fuzz
