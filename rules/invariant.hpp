#pragma once

#include <cstdio>
#include <cstdlib>

namespace rollbackd::rules {

// Reports a broken invariant and ends the process. A daemon whose own logic is wrong must not act;
// the journal lets its successor go on.
[[noreturn]] inline void broken_invariant(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, what);
  std::abort();
}

}  // namespace rollbackd::rules

// For programmer errors only, in every build. Input that may be wrong is a Result or a Reason.
#define INVARIANT(condition)                                                \
  do {                                                                      \
    if (!(condition)) [[unlikely]] {                                        \
      ::rollbackd::rules::broken_invariant(#condition, __FILE__, __LINE__); \
    }                                                                       \
  } while (false)

#define UNREACHABLE(what) ::rollbackd::rules::broken_invariant(what, __FILE__, __LINE__)
