#include "engine/board.hpp"

#include <doctest/doctest.h>

namespace rollbackd::engine {

TEST_CASE("board: what was said last about a part counts") {
  StatusBoard board;
  CHECK(board.problems().empty());
  board.report(Part::canary, "late");
  board.report(Part::database, "gone");
  REQUIRE(board.problems().size() == 2);
  CHECK(board.problems()[0].part == Part::database);
  CHECK(board.problem_of(Part::canary) == "late");
  board.report(Part::database, "");
  REQUIRE(board.problems().size() == 1);
  CHECK(name_of(board.problems()[0].part) == "canary");
}

TEST_CASE("board: a warning is no problem, and is gone when it is taken back") {
  StatusBoard board;
  CHECK(board.warnings().empty());
  board.warn(Warning::notify_queue, "fills");
  CHECK(board.warnings() == std::vector<std::string>{"fills"});
  CHECK(board.is_warned_of(Warning::notify_queue));
  CHECK_FALSE(board.is_warned_of(Warning::doorbell_strangers));
  CHECK(board.problems().empty());
  board.warn(Warning::notify_queue, "");
  CHECK(board.warnings().empty());
}

TEST_CASE("board: a part that has to report has a problem until it does") {
  StatusBoard board{{Part::windows}};
  CHECK(board.problem_of(Part::windows) == "has not reported yet; it is starting");
  board.report(Part::windows, "");
  CHECK(board.problems().empty());
}

}  // namespace rollbackd::engine
