#include "engine/database/conninfo.hpp"

#include <doctest/doctest.h>

namespace rollbackd::engine {
namespace {

std::string complaint(const std::string& conninfo) {
  const auto made = session_conninfo({conninfo, ""}, "feed");
  REQUIRE_FALSE(made);
  return made.error().what;
}

}  // namespace

TEST_CASE("conninfo: what libpq cannot read is not repeated, for it may be the password") {
  const std::string begin = "database.conninfo cannot be read: ";
  CHECK(complaint("postgresql://user:100%safe@host/db") ==
        begin + "invalid percent-encoded token: …");
  CHECK(complaint("postgresql://user:secret@[::1/db") ==
        begin + "end of string reached when looking for matching …");
  CHECK(complaint("host=h password=two words") == begin + "missing … in connection info string");
  CHECK(complaint("host=h password=a b=c") == begin + "invalid connection option …");
}

TEST_CASE("conninfo: a NUL, at which libpq would stop reading, is refused") {
  CHECK_FALSE(session_conninfo({std::string{"host=h\0 x", 9}, ""}, "feed"));
  CHECK_FALSE(session_conninfo({"host=h", std::string{"a\0b", 3}}, "feed"));
}

TEST_CASE("conninfo: an option that is misspelt is told by its right name") {
  CHECK(complaint("hots=h").ends_with("invalid connection option …; did you mean host?"));
}

}  // namespace rollbackd::engine
