// Requests with an Idempotency-Key, one after the other and at the same time, against a model.
// Input: a request on each line, as token, key and what is asked for, with tabs between; before
// them what becomes of each: `now`, `later` (which ends the one that waits longest), `refused`,
// `away`.

#include "engine/http/idempotency.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>

#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/promises.hpp"
#include "tests/support/api_kit.hpp"
#include "tests/support/fixed_clock.hpp"

namespace rollbackd::fuzz {
namespace {

using Name = std::pair<std::string, std::string>;  // token and key

bool is_key(std::string_view text) {
  return text.size() <= 255 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// What is there for one input.
class World {
 public:
  void take(std::string_view line);
  void end_all() {
    while (!waiting_.empty()) {
      end_one();
    }
  }

 private:
  struct Waiting {
    Name name;
    engine::ApiReply reply;
    int number = 0;
  };

  static engine::asio::io_context& reactor() {
    static engine::asio::io_context never_run;
    return never_run;
  }
  void handle(const engine::ApiCall& call, const engine::ApiReply& reply);
  void end_one();
  static engine::ApiResponse did(int number);
  [[nodiscard]] bool is_under_way(const Name& name) const;
  void look_at(const engine::ApiResponse& response, const Name& name, const std::string& what);

  tests::EmptyView view_;
  tests::FixedClock clock_;
  tests::HandDesk desk_;
  tests::FixedArchive archive_;
  engine::ApiSources sources_{view_,
                              clock_,
                              desk_,
                              archive_,
                              reactor().get_executor(),
                              [](engine::Exposition) { return std::string{}; },
                              [] { return engine::Readiness{}; },
                              [] { return std::optional<std::string>{}; }};
  engine::Route route_{"POST", "/auto-rollback/pause", engine::Scope::rollback, true,
                       [this](const engine::ApiSources&, const engine::ApiCall& call,
                              const engine::ApiReply& reply) { handle(call, reply); }};
  engine::Idempotency idempotency_;

  std::string fate_;
  int handled_ = 0;
  std::deque<Waiting> waiting_;
  std::map<Name, std::string> asked_;   // what a key is known by: it is under way, or was done
  std::map<Name, std::string> answer_;  // what was answered to it
};

engine::ApiResponse World::did(int number) {
  engine::ApiResponse response;
  response.body = "{\"done\":" + std::to_string(number) + '}';
  return engine::done(std::move(response));
}

// A key is handed to what acts at most once at a time, and never after it was done.
void World::handle(const engine::ApiCall& call, const engine::ApiReply& reply) {
  const Name name{call.sender.token, call.request.idempotency_key};
  ++handled_;
  if (!name.second.empty()) {
    INVARIANT(call.sender.key == name.second && !call.sender.fingerprint.empty());
    INVARIANT(asked_.emplace(name, call.request.body).second);
  }
  if (fate_ == "refused") {
    asked_.erase(name);
    return reply(engine::refusal(409, "Refused", "Nothing was done."));
  }
  if (fate_ == "later") {
    waiting_.push_back({name, reply, handled_});
    return;
  }
  reply(did(handled_));
}

bool World::is_under_way(const Name& name) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const Waiting& each) { return each.name == name; });
}

void World::end_one() {
  const Waiting ended = waiting_.front();
  waiting_.pop_front();
  ended.reply(did(ended.number));
}

void World::look_at(const engine::ApiResponse& response, const Name& name,
                    const std::string& what) {
  INVARIANT(is_json(response.body));
  const bool is_again =
      std::any_of(response.headers.begin(), response.headers.end(), [](const auto& header) {
        return header.first == "Idempotency-Replayed" && header.second == "true";
      });
  INVARIANT((response.status == 400) == !is_key(name.second));
  if (name.second.empty() || !is_key(name.second)) {
    INVARIANT(!is_again);
    return;
  }
  if (is_again) {
    INVARIANT(asked_.at(name) == what && response.body == answer_.at(name));
  } else if (response.done) {
    INVARIANT(answer_.emplace(name, response.body).second);
  }
}

void World::take(std::string_view line) {
  fate_ = take_part(line, '\t');
  if (fate_ == "later" && waiting_.size() >= 4) {
    end_one();
  }
  archive_.recall_error =
      fate_ == "away" ? std::optional{engine::Error{"the database is away", "look"}} : std::nullopt;
  engine::ApiCall call;
  call.token = call.sender.token = take_part(line, '\t');
  call.request.idempotency_key = take_part(line, '\t');
  call.request.method = "POST";
  call.request.path = "/auto-rollback/pause";
  call.request.body = line;
  const Name name{call.token, call.request.idempotency_key};
  const std::string what{line};
  // Of one that was done the archive knows, if it can be asked.
  const auto known = asked_.find(name);
  const bool is_known = known != asked_.end() && (fate_ != "away" || is_under_way(name));
  const bool is_other = is_known && is_key(name.second) && known->second != what;
  const std::size_t before = waiting_.size();
  const auto answers = std::make_shared<int>(0);
  idempotency_.answer(sources_, route_, std::move(call),
                      [this, answers, name, what, is_other](const engine::ApiResponse& response) {
                        INVARIANT(++*answers == 1);
                        INVARIANT((response.status == 422) == is_other);
                        look_at(response, name, what);
                      });
  INVARIANT(*answers == 1 || waiting_.size() > before);
}

void run(std::string_view input) {
  constexpr int requests_max = 64;
  World world;
  for (int n = 0; n < requests_max && !input.empty(); ++n) {
    world.take(take_part(input));
  }
  world.end_all();
}

const Registered target{{"idempotency", run}};

}  // namespace
}  // namespace rollbackd::fuzz
