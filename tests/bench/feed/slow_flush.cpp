// Preloaded into a server, this is a disk whose flush takes SLOW_FLUSH_US microseconds, and nothing
// else: what is flushed reaches no disk, so that the real one, and whoever else uses it, cannot be
// seen in the figures. For a server that runs with fsync = on and lives as long as a benchmark.

#include <cstdlib>
#include <ctime>

namespace {

int flush_slowly() {
  static const long microseconds = [] {
    const char* text = std::getenv("SLOW_FLUSH_US");
    return text == nullptr ? 0L : std::strtol(text, nullptr, 10);
  }();
  constexpr long a_second = 1'000'000;
  const timespec pause{microseconds / a_second, microseconds % a_second * 1'000};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
  return 0;
}

}  // namespace

extern "C" {

int fdatasync(int /*fd*/) { return flush_slowly(); }
int fsync(int /*fd*/) { return flush_slowly(); }
int msync(void* /*address*/, std::size_t /*length*/, int /*flags*/) { return flush_slowly(); }

}  // extern "C"
