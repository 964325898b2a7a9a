#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/asio.hpp"

#include "engine/http/message.hpp"
#include "engine/interactions.hpp"
#include "engine/ports.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// What /readyz says.
struct Readiness {
  bool ready = false;
  std::string role;    // leader or standby
  std::string leader;  // as it calls itself; empty: none known
  std::string feed;    // listening, or polling and why
  std::vector<std::pair<std::string, std::string>> problems;  // part and what is wrong with it
  std::vector<std::string> warnings;                          // what does not make it less ready
};

// What answers are made from. All outlive the server.
struct ApiSources {
  const View& view;
  const Clock& clock;
  Desk& desk;
  Archive& archive;
  asio::any_io_executor timers;
  std::function<std::string(Exposition)> metrics;
  std::function<Readiness()> readiness;
  // Who leads instead of this daemon, as it calls itself; nothing: this one leads.
  std::function<std::optional<std::string>()> other_leader;
  Interactions* interactions{};         // null: no Discord is configured
  const rules::PolicyBook* policies{};  // whose limits are told; null: none are
};

// A request on its way through its route.
struct ApiCall {
  ApiRequest request;
  std::vector<std::string> parameters;  // what stood for the {…} of the route's path
  std::string token;                    // the name of the caller's; empty: none was needed
  bool may_override = false;
  rules::Sender sender{};  // the same token, and what tells a repetition
};

// How large the body of a request may be.
struct BodyLimit {
  std::size_t bytes = 0;  // 0: as usual
  // What the sender of a larger one can do; for people.
  std::string_view remedy;
};

// One method of one path.
struct Route {
  using Handler = std::function<void(const ApiSources&, ApiCall, ApiReply)>;

  std::string_view method;
  std::string_view path;       // a segment {…} stands for any text without a slash
  std::optional<Scope> scope;  // that the token needs; nothing: no token is asked for
  bool acts = false;           // only the leader may answer it
  Handler handler;
  BodyLimit body{};  // of who has a good token; of others as usual
};

// 503 with the second after which to come back.
ApiResponse come_back(std::string_view error, std::string_view details);

// 503 of an Archive that could not be asked.
ApiResponse unanswered(const Error& error);

// 429 of a sender that has asked for too much.
ApiResponse too_many(std::chrono::seconds wait, std::string_view details);

// 200 with this body.
ApiResponse json_answer(std::string body, int status = 200);

}  // namespace rollbackd::engine
