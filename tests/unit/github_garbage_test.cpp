#include "rules/limits.hpp"
#include "tests/support/github_stage.hpp"
#include "tests/support/random.hpp"

// Whatever comes back, the executor says one of its outcomes, once, and asks for one dispatch.
namespace rollbackd::engine {
namespace {

using tests::GithubStage;
using tests::Random;

std::string random_bytes(Random& random, std::int64_t length_max) {
  std::string bytes(static_cast<std::size_t>(random.between(0, length_max)), '\0');
  for (char& c : bytes) {
    c = static_cast<char>(random.between(0, 255));
  }
  return bytes;
}

// A good answer, or one with a few bytes changed, or cut, or of another kind.
std::string random_body(Random& random) {
  const std::vector<std::string> good{
      GithubStage::dispatched(7),
      GithubStage::run_text(7, "in_progress"),
      GithubStage::run_text(7, "completed", "success"),
      GithubStage::run_text(7, "completed", "failure"),
      GithubStage::list_text({7}),
      GithubStage::list_text({9, 7}),
      GithubStage::list_text({}),
      R"({"message":"return_run_details"})",
      R"({"message":"Not Found","errors":[{"message":"x"}]})",
      R"({"message":")" + tests::canary_token + "\"}",
      std::string(2000, '['),
      "null",
      "",
  };
  std::string body = random.pick(good);
  switch (random.between(0, 4)) {
    case 0:
      return random_bytes(random, 300);
    case 1:
      for (std::int64_t i = random.between(1, 4); i > 0 && !body.empty(); --i) {
        const auto where =
            static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(body.size()) - 1));
        body[where] = static_cast<char>(random.between(0, 255));
      }
      return body;
    case 2:
      return body.substr(
          0, static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(body.size()))));
    default:
      return body;
  }
}

tests::StubAnswer random_answer(Random& random) {
  static const std::vector<int> statuses{200, 200, 200, 200, 202, 204, 301, 304, 307, 400, 401,
                                         403, 404, 409, 418, 422, 429, 500, 502, 503, 599};
  static const std::vector<tests::StubAnswer::How> hows{
      tests::StubAnswer::How::answer, tests::StubAnswer::How::answer,
      tests::StubAnswer::How::answer, tests::StubAnswer::How::answer,
      tests::StubAnswer::How::answer, tests::StubAnswer::How::close,
      tests::StubAnswer::How::cut,    tests::StubAnswer::How::raw};
  tests::StubAnswer answer;
  answer.status = random.pick(statuses);
  answer.body = random_body(random);
  answer.how = random.pick(hows);
  if (random.one_in(4)) {
    answer.headers.emplace_back("ETag", "\"e\"");
  }
  if (random.one_in(8)) {
    answer.headers.emplace_back("Location", "https://h.example/" + tests::canary_token);
  }
  return answer;
}

TEST_CASE("github: random answers always end in one defined outcome, and never in two dispatches") {
  const std::uint64_t seed = tests::seed();
  CAPTURE(seed);
  Random random{seed};
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    GithubStage s;
    s.settings.timeout = rules::Duration{60'000};
    s.settings.lookup = rules::Duration{30'000};
    s.settings.poll = rules::Duration{1'000};
    for (int i = 0; i < 40; ++i) {
      s.stub.next(random_answer(random));
    }
    s.stub.otherwise({200, GithubStage::run_text(7, "completed", "success")});
    switch (random.between(0, 3)) {
      case 0:
        s.follow(tests::a_follow("7"));
        break;
      case 1:
        s.follow(tests::a_follow());
        break;
      default:
        s.deploy();
        break;
    }
    CHECK(s.dispatches() <= 1);
    const auto ended = s.inbox.all<rules::DeployEnded>().front();
    CHECK(ended.detail.size() <= rules::limits::detail_text_max);
    CHECK_FALSE(ended.detail.empty());
  }
}

}  // namespace
}  // namespace rollbackd::engine
