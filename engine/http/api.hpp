#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/http/message.hpp"
#include "engine/http/tokens.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// What /readyz says.
struct Readiness {
  bool ready = false;
  std::string role;                                           // leader or standby
  std::string feed;                                           // listening, or polling and why
  std::vector<std::pair<std::string, std::string>> problems;  // part and what is wrong with it
  std::vector<std::string> warnings;                          // what does not make it less ready
};

// The routes (DESIGN.md section 8): a checked request in, a response out. Knows no socket and
// changes nothing. Reactor thread only.
class Api {
 public:
  struct Sources {
    const View& view;
    const Clock& clock;
    std::function<std::string()> metrics;
    std::function<Readiness()> readiness;
  };

  Api(Sources sources, std::vector<HttpToken> tokens)
      : sources_{std::move(sources)}, tokens_{std::move(tokens)} {}

  [[nodiscard]] ApiResponse answer(const ApiRequest& request) const;

 private:
  using Handler = ApiResponse (Api::*)(const ApiRequest&) const;
  struct Route {
    std::string_view method;
    std::string_view path;
    Handler handler;
  };
  static const std::vector<Route>& routes();

  [[nodiscard]] ApiResponse route(const ApiRequest& request, std::string_view path) const;
  [[nodiscard]] ApiResponse metrics(const ApiRequest& request) const;
  [[nodiscard]] ApiResponse health(const ApiRequest& request) const;
  [[nodiscard]] ApiResponse readiness(const ApiRequest& request) const;
  [[nodiscard]] ApiResponse check(const ApiRequest& request) const;

  Sources sources_;
  Tokens tokens_;
};

}  // namespace rollbackd::engine
