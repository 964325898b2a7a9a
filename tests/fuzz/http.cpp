// Whole requests, bytes as a client sends them: Beast's parser within our limits, what we refuse
// beyond it, tokens, routes, bodies. HttpSession without its socket; Desk, Archive and Interactions
// are made up, and nobody asks too often.

#include <algorithm>
#include <optional>

#include "engine/asio.hpp"
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "engine/http/api.hpp"
#include "engine/http/hygiene.hpp"
#include "engine/http/server.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/promises.hpp"
#include "tests/support/api_kit.hpp"
#include "tests/support/fixed_clock.hpp"
#include "tests/support/http_token.hpp"

namespace rollbackd::fuzz {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::request_parser<http::string_body>;

constexpr rules::Second now = 1'765'809'300;  // 2025-12-15T14:35:00Z
constexpr std::string_view known = "11111111-2222-3333-4444-555555555555";
constexpr std::string_view row =
    R"({"id":7,"event_id":"99999999-2222-3333-4444-555555555555","status":"in_progress",)"
    R"("deployment_id":"11111111-2222-3333-4444-555555555555","environment":"production",)"
    R"("service":"app","metadata":{"mode":"ask"},"rollback_plan":null})";

const rules::Service service{"production", "app"};

class KnownView final : public tests::EmptyView {
 public:
  [[nodiscard]] std::optional<rules::CheckView> check(
      const rules::DeploymentId& id) const override {
    rules::CheckView view;
    view.as_of = now;
    return id.text() == known ? std::optional{view} : std::nullopt;
  }
  [[nodiscard]] std::vector<rules::ServiceView> services() const override {
    return {{service, *rules::DeploymentId::parse(known), "v2.5.3", 8.5, 42, {}, {}}};
  }
  [[nodiscard]] rules::Second as_of() const override { return now; }
};

// Answers at once, in one of all the ways there are.
class WillingDesk final : public engine::Desk {
 public:
  void ask(engine::PersonsRequest /*request*/,
           std::function<void(const rules::Answer&)> on_answer) override {
    ++asked;
    constexpr std::uint64_t kinds = 12;
    rules::Answer answer;
    answer.kind = static_cast<rules::Answer::Kind>(mood % kinds);
    if (mood / kinds % 4 != 0) {
      answer.rollback = rollback();
    }
    on_answer(answer);
  }
  [[nodiscard]] Watch watch(const rules::EventId& /*event*/, OnState on_state) override {
    auto watch = std::make_shared<OnState>(std::move(on_state));
    (*watch)(rollback());
    return watch;
  }
  [[nodiscard]] static rules::Rollback rollback() {
    rules::Rollback ended;
    ended.service = service;
    ended.status = rules::RollbackStatus::failed;
    ended.ended_by = rules::Reason::outcome_unknown;
    ended.completed_at = rules::instant_of(now);
    return ended;
  }

  std::uint64_t mood = 0;
  int asked = 0;
};

class ReadyArchive final : public engine::Archive {
 public:
  void history(const engine::HistoryQuery& query, OnText on_text) override {
    INVARIANT(query.limit >= 1 && query.limit <= 1000);
    give_rows(on_text);
  }
  void event(const rules::EventId& /*event*/, OnText on_text) override { give_row(on_text); }
  void deployments(const engine::DeploymentsQuery& query, OnText on_text) override {
    INVARIANT(query.limit >= 1 && query.limit <= 1000);
    give_rows(on_text);
  }
  void record(const engine::NewDeployment& wanted, OnText on_text) override {
    ++written;
    for (const std::string* text :
         {&wanted.environment, &wanted.service, &wanted.version, &wanted.git_commit}) {
      INVARIANT(!text->empty() && is_utf8(*text) && text->find('\0') == std::string::npos);
    }
    give_row(on_text);
  }
  void change_status(const engine::StatusChange& /*change*/, OnText on_text) override {
    ++written;
    give_row(on_text);
  }
  // Also a standby takes them.
  void take_alerts(engine::AlertDelivery delivery, OnText on_text) override {
    for (const engine::IncomingAlert& alert : delivery.alerts) {
      INVARIANT(is_utf8(alert.name) && is_utf8(alert.summary));
    }
    give(on_text, R"({"alerts":1})");
  }
  void recall(const rules::Sender& sender, OnKept on_kept) override {
    engine::KeptRequest kept;
    kept.fingerprint = mood % 2 == 0 ? sender.fingerprint : "another";
    kept.status = 200;
    kept.answer = "{}";
    on_kept(mood % 3 == 0 ? engine::Result<std::optional<engine::KeptRequest>>{std::optional{kept}}
                          : std::optional<engine::KeptRequest>{});
  }
  void keep_answer(const rules::Sender& /*sender*/, int /*status*/,
                   const std::string& answer) override {
    INVARIANT(is_json(answer));
  }

  std::uint64_t mood = 0;
  int read = 0;
  int written = 0;

 private:
  using Text = engine::Result<std::optional<std::string>>;

  void give_row(const OnText& on_text) { give(on_text, std::string{row}); }
  void give_rows(const OnText& on_text) { give(on_text, '[' + std::string{row} + ']'); }
  void give(const OnText& on_text, std::string text) {
    ++read;
    if (mood % 8 == 0) {
      on_text(Text{engine::Error{"the database is away", "look at it"}});
    } else if (mood % 8 == 1) {
      on_text(Text{std::optional<std::string>{}});
    } else {
      on_text(Text{std::optional{std::move(text)}});
    }
  }
};

// What signs is looked at elsewhere; here it is who brings it.
class BriefInteractions final : public engine::Interactions {
 public:
  void take(const engine::SignedBody& request,
            const std::function<void(engine::InteractionAnswer)>& answer) override {
    const bool is_signed = request.signature.size() == 128 && !request.timestamp.empty();
    answer(is_signed ? engine::InteractionAnswer{200, R"({"type":1})"}
                     : engine::InteractionAnswer{401, {}, "Invalid request signature", "Sign it."});
  }
};

// Of a limit the second answer to the same input would be another one.
engine::RateSettings no_limits() {
  constexpr engine::RateLimit all{1e15, 1e15};
  return {all, all, all, all};
}

// What is there for as long as the fuzzer runs.
struct World {
  KnownView view;
  tests::FixedClock clock{rules::instant_of(fuzz::now)};
  WillingDesk desk;
  ReadyArchive archive;
  BriefInteractions interactions;
  engine::asio::io_context reactor;
  bool is_standby = false;
  engine::Api api{
      engine::ApiSources{
          view, clock, desk, archive, reactor.get_executor(),
          [](engine::Exposition) { return std::string{"m 1\n"}; },
          [] { return engine::Readiness{true, "leader", "", "listening", {}, {}}; },
          [this] { return is_standby ? std::optional<std::string>{"db2"} : std::nullopt; },
          &interactions},
      {tests::token_named("reader", {engine::Scope::read}),
       tests::token_named("pipeline", {engine::Scope::read, engine::Scope::record}),
       tests::token_named("operator",
                          {engine::Scope::read, engine::Scope::rollback, engine::Scope::override})},
      no_limits()};
};

bool carries(const engine::ApiRequest& request, std::string_view token) {
  return request.authorization.ends_with(token) || request.apikey == token;
}

void look_at(const engine::ApiResponse& response) {
  INVARIANT(response.status >= 200 && response.status < 600);
  INVARIANT(is_utf8(response.body));
  for (const auto& [name, value] : response.headers) {
    INVARIANT(!name.empty() && is_one_line(name) && is_one_line(value));
  }
  INVARIANT(is_one_line(response.content_type));
  if (response.content_type == "application/json") {
    INVARIANT(is_json(response.body));
  }
  if (response.status >= 400) {
    const auto document = engine::JsonDocument::parse(response.body);
    std::string_view error;
    INVARIANT(document && document->root()["error"].get(error) == simdjson::SUCCESS);
    INVARIANT(!error.empty());
  }
}

void look_at(const engine::ApiRequest& request) {
  INVARIANT(request.path.starts_with('/') && is_one_line(request.path));
  INVARIANT((request.path + '/').find("/../") == std::string::npos);
  INVARIANT((request.path + '/').find("/./") == std::string::npos);
}

// Who may not, did not; and what only looks changed nothing.
void look_at_rights(const World& world, const engine::ApiRequest& request) {
  INVARIANT(world.desk.asked == 0 || carries(request, "operator"));
  INVARIANT(world.archive.written == 0 || carries(request, "pipeline"));
  INVARIANT(world.archive.read == 0 || carries(request, "reader") || carries(request, "pipeline") ||
            carries(request, "operator"));
  const bool acted = world.desk.asked > 0 || world.archive.written > 0;
  INVARIANT(!acted ||
            (!world.is_standby && (request.method == "POST" || request.method == "PATCH")));
}

void drain(engine::ApiStream& stream) {
  for (bool over = false; !over;) {
    bool told = false;
    stream.next([&](const std::optional<std::string>& piece) {
      told = true;
      over = !piece;
      INVARIANT(!piece || (piece->ends_with("\n\n") && is_utf8(*piece)));
    });
    INVARIANT(told);
  }
}

void answer(World& world, engine::ApiRequest request) {
  world.desk.asked = world.archive.read = world.archive.written = 0;
  int answers = 0;
  world.api.answer(request, [&](engine::ApiResponse response) {
    ++answers;
    look_at(response);
    if (response.stream != nullptr) {
      drain(*response.stream);
    }
  });
  INVARIANT(answers == 1);
  look_at_rights(world, request);
  if (world.desk.asked > 0 || world.archive.read > 0) {
    world.reactor.restart();
    world.reactor.poll();  // timers that were cancelled
  }
}

// Gives the parser what has arrived of `input`, first `first` bytes and then all of it, until
// `is_done`, as reading from a socket does. What is taken is taken off.
template <class Done>
error_code read(Parser& parser, std::string_view& input, std::size_t first, Done is_done) {
  std::size_t arrived = std::min(first, input.size());
  bool is_starved = arrived == 0;
  error_code error;
  while (!is_done(parser)) {
    if (is_starved && arrived == input.size()) {
      parser.put_eof(error);
      return error ? error : http::make_error_code(http::error::partial_message);
    }
    arrived = is_starved ? input.size() : arrived;
    const std::size_t taken = parser.put(engine::asio::buffer(input.data(), arrived), error);
    input.remove_prefix(taken);
    arrived -= taken;
    is_starved = error == http::error::need_more || arrived == 0;
    if (error && error != http::error::need_more) {
      return error;
    }
  }
  return {};
}

// One request, as HttpSession::exchange() goes about it. False: the connection would be closed.
bool exchange(World& world, std::string_view& input, std::size_t first) {
  const engine::HttpLimits limits;
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(limits.header_max));
  parser.body_limit(boost::none);
  parser.eager(false);
  if (const error_code error =
          read(parser, input, first, [](const Parser& p) { return p.is_header_done(); })) {
    look_at(engine::refusal_of(error, !parser.get().target().empty()));
    return false;
  }
  auto cleaned = engine::clean(parser.get(), limits.fields_max);
  if (const auto* refused = std::get_if<engine::ApiResponse>(&cleaned)) {
    INVARIANT(refused->status >= 400);
    look_at(*refused);
    return false;
  }
  auto& request = std::get<engine::ApiRequest>(cleaned);
  const engine::BodyLimit given = world.api.body_limit(request);
  const std::size_t body_max = given.bytes > 0 ? given.bytes : limits.body_max;
  INVARIANT(body_max == limits.body_max || carries(request, "pipeline"));
  const auto length = parser.content_length();
  if (length && *length > body_max) {
    look_at(engine::body_too_large(body_max, given.remedy));
    return false;
  }
  parser.body_limit(body_max);
  parser.eager(true);
  if (const error_code error =
          read(parser, input, first, [](const Parser& p) { return p.is_done(); })) {
    look_at(error == http::error::body_limit ? engine::body_too_large(body_max, given.remedy)
                                             : engine::refusal_of(error, true));
    return false;
  }
  look_at(request);
  request.body = std::move(parser.get().body());
  INVARIANT(request.body.size() <= body_max);
  answer(world, std::move(request));
  return parser.keep_alive();
}

void run(std::string_view input) {
  constexpr int requests_max = 8;
  static World world;
  const std::uint64_t mood = number_of(input);
  world.desk.mood = mood >> 8U;
  world.archive.mood = mood >> 16U;
  world.is_standby = mood % 16 == 0;
  const std::size_t first = (mood >> 24U) % (input.size() + 1);
  for (int n = 0; n < requests_max && !input.empty() && exchange(world, input, first); ++n) {
  }
}

const Registered target{{"http", run}};

}  // namespace
}  // namespace rollbackd::fuzz
