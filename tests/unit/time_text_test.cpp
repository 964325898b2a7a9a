#include "engine/time_text.hpp"

#include <doctest/doctest.h>

namespace rollbackd::engine {
namespace {

TEST_CASE("an instant reads back as it was written, to the microsecond") {
  for (const std::int64_t us : {0LL, 1LL, 1'765'809'300'000'000LL, 1'709'208'000'123'456LL}) {
    const rules::Instant instant{rules::Duration{us}};
    CHECK(parse_instant(instant_text(instant)) == instant);
  }
  CHECK(instant_text(rules::Instant{rules::Duration{1'765'809'300'000'001}}) ==
        "2025-12-15T14:35:00.000001Z");
  CHECK(second_text(1'765'809'300) == "2025-12-15T14:35:00Z");
  CHECK(parse_instant("2025-12-15T14:35:00Z") == rules::instant_of(1'765'809'300));
}

TEST_CASE("what is no instant is refused") {
  for (const char* const text :
       {"", "Z", "2025-12-15", "2025-12-15T14:35:00", "2025-12-15 14:35:00Z",
        "2025-13-15T14:35:00Z", "2025-02-29T14:35:00Z", "2025-12-15T24:35:00Z",
        "2025-12-15T14:60:00Z", "2025-12-15T14:35:60Z", "2025-12-15T14:35:00.12345Z",
        "2025-12-15T14:35:00.1234567Z", "2025-12-15T14:35:00.12345xZ", "2025-12-15T14:35:00+00",
        "+025-12-15T14:35:00Z", "2025-12-15T14:35:00.123456 "}) {
    CAPTURE(text);
    CHECK_FALSE(parse_instant(text).has_value());
  }
}

}  // namespace
}  // namespace rollbackd::engine
