#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "engine/outgoing/http_client.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Answers rules::ProbeHealth with one GET of the service's health_url: well is a 2xx in time, and
// nothing else, no redirect either. Reactor thread; posts HealthUrlAnswered exactly once.
class HealthProbe {
 public:
  // The health_url of a service; empty: it has none.
  using UrlOf = std::function<std::string(const rules::Service&)>;

  static constexpr std::chrono::milliseconds usual_deadline{5'000};

  HealthProbe(HttpClient& http, Inbox& inbox, UrlOf url_of,
              std::chrono::milliseconds deadline = usual_deadline);

  void probe(const rules::ProbeHealth& probe);

 private:
  HttpClient& http_;
  Inbox& inbox_;
  UrlOf url_of_;
  std::chrono::milliseconds deadline_;
};

}  // namespace rollbackd::engine
