#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "engine/clock.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/http_stage.hpp"

namespace rollbackd::tests {
namespace {

using std::chrono::milliseconds;

// Long beside the moments in which a busy machine runs somebody else: who is quick must not be
// taken for slow.
engine::HttpLimits short_deadlines() {
  engine::HttpLimits limits;
  limits.header_deadline = milliseconds{500};
  limits.body_deadline = milliseconds{500};
  limits.idle_deadline = milliseconds{500};
  limits.linger = milliseconds{500};
  return limits;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Takes every descriptor that is left, so that nobody can open another.
class NoDescriptors {
 public:
  NoDescriptors() {
    REQUIRE(getrlimit(RLIMIT_NOFILE, &old_) == 0);
    const rlimit few{256, old_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    take();
  }
  ~NoDescriptors() {
    for (const int descriptor : taken_) {
      close(descriptor);
    }
    setrlimit(RLIMIT_NOFILE, &old_);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  void take() {
    for (int descriptor = dup(0); descriptor >= 0; descriptor = dup(0)) {
      taken_.push_back(descriptor);
    }
  }

  rlimit old_{};
  std::vector<int> taken_;
};

}  // namespace

TEST_CASE("http: a client that is slow with its header or body is told so and closed") {
  const HttpStage stage{short_deadlines()};
  RawConnection slow_header{stage.port};
  slow_header.send("GET /healthz HTTP/1.1\r\nHo");
  RawConnection slow_body{stage.port};
  slow_body.send("POST /auto-rollback/check HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n{");
  CHECK(status_of(stage.talk(get_health_and_close)) == 200);  // others do not wait for them
  CHECK(status_of(slow_header.receive_all()) == 408);
  CHECK(status_of(slow_body.receive_all()) == 408);
}

TEST_CASE("http: a header that drips in is cut off, however steadily it drips") {
  engine::HttpLimits limits = short_deadlines();
  limits.header_deadline = milliseconds{150};  // before it is cut off for its length
  const HttpStage stage{limits};
  const RawConnection dripping{stage.port};
  const auto begun = engine::steady_now();
  int sent = 0;
  while (dripping.send("x") && sent < 1'000'000) {
    ++sent;
    // A header of one endless word; the pause is a request to the same server.
    CHECK(status_of(stage.talk(get_health_and_close)) == 200);
  }
  CHECK(engine::steady_now() - begun < std::chrono::seconds{5});
}

TEST_CASE("http: a client that does not read its answer is closed") {
  const HttpStage stage{short_deadlines(), [] { return std::string(32 << 20, 'm'); }};
  RawConnection deaf{stage.port};
  deaf.send("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(status_of(stage.talk(get_health_and_close)) == 200);
  stage.wait_for_answer("GET /metrics 200");
  CHECK(deaf.receive_all().size() < (32U << 20U));
}

TEST_CASE("http: a connection without a request is closed without an answer") {
  const HttpStage stage{short_deadlines()};
  RawConnection fresh{stage.port};
  RawConnection used{stage.port};
  used.send(get_health);
  CHECK(status_of(used.receive()) == 200);
  CHECK(fresh.receive_all().empty());
  CHECK(used.receive_all().empty());
}

TEST_CASE("http: when all connections are taken the most idle one makes room") {
  engine::HttpLimits limits;
  limits.connections_max = 3;
  const HttpStage stage{limits};
  std::vector<RawConnection> idle;
  for (int i = 0; i < 3; ++i) {
    idle.emplace_back(stage.port);
    idle.back().send(get_health);
    CHECK(status_of(idle.back().receive()) == 200);
  }
  RawConnection next{stage.port};
  next.send(get_health);
  CHECK(status_of(next.receive()) == 200);
  CHECK(idle[0].receive_all().empty());
  idle[2].send(get_health);
  CHECK(status_of(idle[2].receive()) == 200);
}

TEST_CASE("http: when all connections are at work the next one is refused at once") {
  engine::HttpLimits limits;
  limits.connections_max = 2;
  HttpStage stage{limits};
  std::vector<RawConnection> busy;
  const std::string body = R"({"reason":"x"})";
  for (int i = 0; i < 2; ++i) {
    busy.emplace_back(stage.port);
    busy.back().send(
        "POST /auto-rollback/pause HTTP/1.1\r\nHost: h\r\nApikey: all\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  eventually("both requests to be at the desk", 30, [&] {
    std::promise<std::size_t> waiting;
    stage.on_reactor([&] { waiting.set_value(stage.desk.waiting.size()); });
    return waiting.get_future().get() == 2;
  });
  const std::string answer = stage.talk("");
  CHECK(status_of(answer) == 503);
  CHECK(field_of(answer, "retry-after") == "1");
  stage.on_reactor([&] {
    for (const auto& on_answer : stage.desk.waiting) {
      on_answer({0, rules::Answer::Kind::accepted, {}, {}});
    }
  });
  CHECK(status_of(busy[0].receive()) == 200);
  CHECK(status_of(busy[1].receive()) == 200);
}

TEST_CASE("http: who is slow to send a request makes room for the next, the slowest first") {
  engine::HttpLimits limits;
  limits.connections_max = 2;
  const HttpStage stage{limits};
  std::vector<RawConnection> slow;
  for (int i = 0; i < 2; ++i) {
    slow.emplace_back(stage.port);
    slow.back().send(get_health + "GET /healthz HT");
    CHECK(status_of(slow.back().receive()) == 200);
  }
  CHECK(status_of(stage.talk(get_health_and_close)) == 200);
  CHECK(slow[0].receive_all().empty());
  slow[1].send("TP/1.1\r\nHost: h\r\n\r\n");
  CHECK(status_of(slow[1].receive()) == 200);
}

TEST_CASE("http: without descriptors left the server waits instead of spinning, and recovers") {
  HttpStage stage;
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  auto none_left = std::make_unique<NoDescriptors>();
  // The kernel completes the connection; accepting it is what fails.
  RawConnection late{descriptor, stage.port};
  late.send(get_health);
  const double before = cpu_seconds();
  CHECK_FALSE(late.hears_within(milliseconds{700}));
  CHECK(cpu_seconds() - before < 0.2);
  CHECK(stage.log.has(engine::LogLevel::error, "http_accept_failed"));
  none_left.reset();
  CHECK(status_of(late.receive()) == 200);
}

TEST_CASE("http: without descriptors left the most idle connection makes room") {
  const HttpStage stage;
  RawConnection idle{stage.port};
  idle.send(get_health);
  CHECK(status_of(idle.receive()) == 200);
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  const NoDescriptors none_left;
  RawConnection late{descriptor, stage.port};
  late.send(get_health);
  CHECK(status_of(late.receive()) == 200);
  CHECK(idle.receive_all().empty());
}

}  // namespace rollbackd::tests
