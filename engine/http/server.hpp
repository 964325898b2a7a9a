#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/asio.hpp"

#include "engine/http/api.hpp"
#include "engine/ports.hpp"
#include "engine/result.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// What one client may cost. Tests make the deadlines short.
struct HttpLimits {
  // One more takes the place of one that waits for its client, or is refused.
  std::size_t connections_max = 256;
  std::size_t header_max = 8 * 1024;
  std::size_t fields_max = 64;
  std::size_t body_max = 64 * 1024;                   // where the route says nothing else
  std::chrono::milliseconds header_deadline{10'000};  // from the first byte of a request
  std::chrono::milliseconds body_deadline{15'000};    // to send the body, and to take the answer
  std::chrono::milliseconds idle_deadline{30'000};    // until the first byte
  std::chrono::milliseconds linger{2'000};            // to read the answer after which we close
};

// The HTTP server, on the reactor and its one thread. Speaks plain HTTP/1.1 and 1.0.
class HttpServer {
 public:
  // `log`, `meter` and what `api` refers to have to outlive the reactor's last run.
  HttpServer(asio::io_context& reactor, Api api, Log& log, Meter& meter, HttpLimits limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Serves from the reactor's next run on. Fails when the address cannot be had.
  Status listen(const ListenAddress& address);

  // Where it listens: with port 0 the one that was free. REQUIRES: listen() succeeded.
  [[nodiscard]] std::uint16_t port() const;

  // From the next request on.
  void use(std::vector<HttpToken> tokens);
  // Method and path of every route, for as long as the program runs.
  [[nodiscard]] std::vector<std::pair<std::string_view, std::string_view>> routes() const;

  // Ends all connections and listens no more.
  void close();

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace rollbackd::engine
