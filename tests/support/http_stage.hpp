#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "engine/asio.hpp"
#include <doctest/doctest.h>

#include "engine/http/server.hpp"
#include "tests/support/api_kit.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/fixed_clock.hpp"
#include "tests/support/http_token.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/recorders.hpp"

namespace rollbackd::tests {

// The real server on a free port, its reactor on a thread of its own.
class HttpStage {
 public:
  explicit HttpStage(engine::HttpLimits limits = {})
      : HttpStage{limits, [] { return std::string{"m 1\n"}; }} {}

  HttpStage(engine::HttpLimits limits, std::function<std::string()> metrics,
            const engine::RateSettings& rates = engine::RateSettings::of(1'000'000))
      : rates_{rates}, server_{reactor_, api(std::move(metrics)), log, meter, limits} {
    const auto listening = server_.listen({"127.0.0.1", 0});
    REQUIRE(listening.has_value());
    port = server_.port();
    thread_ = std::thread{[this] { reactor_.run(); }};
  }
  ~HttpStage() {
    engine::asio::post(reactor_, [this] { server_.close(); });
    thread_.join();
  }
  HttpStage(const HttpStage&) = delete;
  HttpStage& operator=(const HttpStage&) = delete;

  [[nodiscard]] std::string talk(std::string_view bytes) const { return tests::talk(port, bytes); }

  // Until the server has ended such an answer, taken or not: a client that begins to read before
  // may still be given all of it. `answer`: as RecordingMeter::answers() names it.
  void wait_for_answer(const std::string& answer) const {
    eventually("the end of an answer", 30, [&] { return meter.answers().count(answer) > 0; });
  }

  // What a second server hears that wants the same port.
  [[nodiscard]] engine::Status listen_again() {
    engine::HttpServer second{reactor_, api({}), log, meter};
    return second.listen({"127.0.0.1", port});
  }

  // Runs it on the reactor's thread, where desk and archive are at home.
  void on_reactor(std::function<void()> what) { engine::asio::post(reactor_, std::move(what)); }

  RecordingLog log;
  RecordingMeter meter;
  std::uint16_t port = 0;
  HandDesk desk;
  FixedArchive archive;

 private:
  engine::Api api(std::function<std::string()> metrics) {
    return {{view_, clock_, desk, archive, reactor_.get_executor(),
             [metrics = std::move(metrics)](engine::Exposition) { return metrics(); },
             [] { return engine::Readiness{true, "leader", "", "listening", {}, {}}; },
             [] { return std::nullopt; }},
            {token_named("all", {engine::Scope::read, engine::Scope::record,
                                 engine::Scope::rollback, engine::Scope::override}),
             token_named("reader", {engine::Scope::read})},
            rates_};
  }

  engine::RateSettings rates_;
  EmptyView view_;
  FixedClock clock_;
  engine::asio::io_context reactor_;
  engine::HttpServer server_;
  std::thread thread_;
};

inline const std::string get_health = "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n";
inline const std::string get_health_and_close =
    "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

}  // namespace rollbackd::tests
