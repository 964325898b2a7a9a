#pragma once

namespace rollbackd::engine {

// This process as /proc shows it. What cannot be read is 0.
struct ProcessStats {
  double cpu_seconds = 0;
  double open_fds = 0;
  double max_fds = 0;
  double virtual_memory_bytes = 0;
  double virtual_memory_max_bytes = -1;  // -1: there is no limit
  double resident_memory_bytes = 0;
  double start_time_seconds = 0;  // since 1970-01-01 UTC
  double threads = 0;
};

ProcessStats read_process_stats();

}  // namespace rollbackd::engine
