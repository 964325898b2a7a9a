#include "engine/telemetry/process_stats.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace rollbackd::engine {
namespace {

// Fields of /proc/self/stat, counted from 0 after the program's name, which may hold anything.
enum StatField : std::size_t {
  utime = 11,
  stime = 12,
  num_threads = 17,
  starttime = 19,
  vsize = 20,
  rss = 21
};

std::vector<double> read_stat() {
  std::ifstream in{"/proc/self/stat"};
  std::string line;
  std::getline(in, line);
  std::istringstream rest{line.substr(std::min(line.rfind(')') + 1, line.size()))};
  std::string state;
  rest >> state;
  std::vector<double> fields{0};
  fields.insert(fields.end(), std::istream_iterator<double>{rest}, {});
  return fields;
}

double read_boot_time() {
  std::ifstream in{"/proc/stat"};
  for (std::string word; in >> word;) {
    if (double seconds = 0; word == "btime" && in >> seconds) {
      return seconds;
    }
    in.ignore(1 << 20, '\n');
  }
  return 0;
}

double count_open_fds() {
  std::error_code error;
  const std::filesystem::directory_iterator all{"/proc/self/fd", error};
  if (error) {
    return 0;
  }
  // Looking at them takes one.
  return static_cast<double>(std::distance(begin(all), end(all)) - 1);
}

}  // namespace

ProcessStats read_process_stats() {
  ProcessStats stats;
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  if (const auto fields = read_stat(); fields.size() > rss) {
    stats.cpu_seconds = (fields[utime] + fields[stime]) / ticks;
    stats.threads = fields[num_threads];
    stats.virtual_memory_bytes = fields[vsize];
    stats.resident_memory_bytes = fields[rss] * static_cast<double>(sysconf(_SC_PAGESIZE));
    stats.start_time_seconds = read_boot_time() + fields[starttime] / ticks;
  }
  stats.open_fds = count_open_fds();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    stats.max_fds = static_cast<double>(limit.rlim_cur);
  }
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    stats.virtual_memory_max_bytes = static_cast<double>(limit.rlim_cur);
  }
  return stats;
}

}  // namespace rollbackd::engine
