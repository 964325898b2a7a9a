#pragma once

#include <string>

namespace rollbackd::tests {

// What a process has taken, by /proc. Throws std::runtime_error where there is no such process.

// User and system time.
double processor_seconds(int pid);
// "VmRSS" or "VmHWM" of its status, in MiB.
double memory_mib(int pid, const std::string& what);

}  // namespace rollbackd::tests
