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
TEST_CASE("any RFC 3339 time is read: fractions of any length, offsets, and nothing else") {
  const rules::Instant second = rules::instant_of(1'765'809'300);
  CHECK(parse_rfc3339("2025-12-15T14:35:00Z") == second);
  CHECK(parse_rfc3339("2025-12-15T14:35:00.5Z") == second + rules::Duration{500'000});
  CHECK(parse_rfc3339("2025-12-15T14:35:00.123456789Z") == second + rules::Duration{123'456});
  CHECK(parse_rfc3339("2025-12-15T16:35:00+02:00") == second);
  CHECK(parse_rfc3339("2025-12-15T09:05:00.000001-05:30") == second + rules::Duration{1});
  CHECK(parse_rfc3339("0001-01-01T00:00:00Z"));
  CHECK(parse_rfc3339("9999-12-31T23:59:59.999999Z"));
  for (const char* text :
       {"", "2025-12-15", "2025-12-15T14:35:00", "2025-12-15T14:35:00.Z",
        "2025-12-15T14:35:00+2:00", "2025-12-15T14:35:00+0200", "2025-12-15T14:35:00+24:00",
        "2025-13-15T14:35:00Z", "2025-12-15T14:35:00Zx", "2025-12-15 14:35:00Z",
        "2025-12-15T14:35:00.12x4Z",
        // Years that PostgreSQL does not read.
        "0000-12-31T23:59:59Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_rfc3339(text));
  }
}

}  // namespace rollbackd::engine
