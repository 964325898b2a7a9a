#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/torture/campaign.hpp"

// The random campaigns: torture feed [--seed N] [--events N] [--interruptions N] [--seconds N] …
// Exit status: 0 everything held, 1 something did not, 2 usage.

namespace {

using rollbackd::tests::torture::Campaign;
using rollbackd::tests::torture::CampaignOptions;

int usage() {
  std::cerr << "usage: torture feed [--seed N] [--events N] [--interruptions N] [--seconds N]\n"
               "                    [--right-within SECONDS] [--memory-max MIB] [--two-phase]"
               " [--no-removals]\n";
  return 2;
}

bool read(int count, char** arguments, CampaignOptions& options) {
  for (int i = 0; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--two-phase") {
      options.two_phase = true;
      continue;
    }
    if (name == "--no-removals") {
      options.removals = false;
      continue;
    }
    if (i + 1 == count) {
      return false;
    }
    char* end = nullptr;
    const double value = std::strtod(arguments[++i], &end);
    if (*end != '\0' || end == arguments[i] || value < 0) {
      return false;
    }
    if (name == "--seed") {
      options.seed = static_cast<std::uint64_t>(value);
    } else if (name == "--events") {
      options.events = static_cast<std::int64_t>(value);
    } else if (name == "--interruptions") {
      options.interruptions = static_cast<int>(value);
    } else if (name == "--seconds") {
      options.seconds = value;
    } else if (name == "--right-within") {
      options.right_within = value;
    } else if (name == "--memory-max") {
      options.memory_max_mib = value;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  CampaignOptions options;
  if (argc < 2 || std::string{argv[1]} != "feed" || !read(argc - 2, argv + 2, options)) {
    return usage();
  }
  try {
    Campaign campaign{options};
    return campaign.run() ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "torture: " << e.what() << " (seed " << options.seed << ")\n";
    return 1;
  }
}
