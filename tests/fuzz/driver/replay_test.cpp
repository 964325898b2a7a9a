#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

#include "tests/fuzz/driver/mutator.hpp"
#include "tests/fuzz/driver/target.hpp"

namespace rollbackd::fuzz {
namespace {

const std::filesystem::path folder = std::filesystem::path{ROLLBACKD_SOURCE_DIR} / "tests" / "fuzz";

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  REQUIRE(in.is_open());
  return {std::istreambuf_iterator<char>{in}, {}};
}

std::vector<std::filesystem::path> corpus_of(const Target& target) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{folder / "corpus" / target.name}) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// What is thrown is a finding, too; its input is kept.
void give(const Target& target, const std::string& input) {
  try {
    target.run(input);
  } catch (const std::exception& thrown) {
    const auto kept = std::filesystem::temp_directory_path() / (std::string{target.name} + ".fuzz");
    std::ofstream{kept, std::ios::binary} << input;
    FAIL(target.name << " threw " << thrown.what() << " at what is in " << kept.string());
  }
}

}  // namespace

// A finding ends the program; the last line says with what. FUZZ_RUNS=… and SEED=… go further.
TEST_CASE("fuzz: every target takes its corpus and what a few thousand mutations make of it") {
  const std::uint64_t runs = tests::number_from_environment("FUZZ_RUNS", 4000);
  CHECK(targets().size() >= 17);
  for (const Target& target : targets()) {
    std::vector<std::string> seeds;
    for (const auto& file : corpus_of(target)) {
      std::cout << "fuzz: " << target.name << ": " << file.filename().string() << std::endl;
      seeds.push_back(content_of(file));
      give(target, seeds.back());
    }
    const auto dictionary = folder / "dictionaries" / (std::string{target.name} + ".dict");
    std::vector<std::string> words;
    if (std::filesystem::exists(dictionary)) {
      words = words_of(content_of(dictionary));
    }
    std::cout << "fuzz: " << target.name << ": " << runs << " mutations of " << seeds.size()
              << " seeds, SEED=" << tests::seed() << std::endl;
    Mutator mutator{seeds, words, tests::seed()};
    for (std::uint64_t run = 0; run < runs; ++run) {
      give(target, mutator.next());
    }
  }
}

}  // namespace rollbackd::fuzz
