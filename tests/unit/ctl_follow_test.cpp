#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/ctl/commands.hpp"

namespace rollbackd::ctl {
namespace {

// Takes the approval, and is gone then: no question after it is answered.
class GoneClient final : public Client {
 public:
  GoneClient() : Client{{"http://127.0.0.1:9641", "token", false}} {}

  void wait(std::chrono::milliseconds /*pause*/) override {}
  [[nodiscard]] const std::vector<std::chrono::milliseconds>& looks() const { return looks_; }

 protected:
  Reply ask(engine::HttpRequest request) override {
    Reply reply;
    if (request.url.ends_with("/approve")) {
      reply.status = 200;
      reply.body = "{}";
    } else if (request.url.find("/events/") != std::string::npos) {
      looks_.push_back(request.deadline);
    }
    return reply;
  }

 private:
  std::vector<std::chrono::milliseconds> looks_;
};

}  // namespace

TEST_CASE("rollbackctl: a daemon that is gone is not waited for much longer than it may restart") {
  CHECK(Arguments{}.patience <= std::chrono::seconds{60});
  GoneClient client;
  Arguments arguments;
  arguments.name = "d9a64251-0000-4000-8000-000000000002";
  arguments.reason = "yes";
  arguments.patience = std::chrono::seconds{0};
  const std::ostringstream said;
  std::streambuf* const usual = std::cerr.rdbuf(said.rdbuf());
  const int code = approve(client, arguments);
  std::cerr.rdbuf(usual);
  CAPTURE(said.str());
  CHECK(code == exit_no_server);
  REQUIRE(client.looks().size() == 1);
  CHECK(client.looks()[0] <= std::chrono::seconds{15});
  CHECK(said.str().find("goes on without us: `rollbackctl show " + arguments.name) !=
        std::string::npos);
}

}  // namespace rollbackd::ctl
