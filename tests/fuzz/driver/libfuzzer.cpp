// What libFuzzer calls: see "libFuzzer" in the documentation of clang.

#include <cstddef>
#include <cstdint>

#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const rollbackd::fuzz::Target target = [] {
    const auto all = rollbackd::fuzz::targets();
    INVARIANT(all.size() == 1);
    return all.front();
  }();
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
