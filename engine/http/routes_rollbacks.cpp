#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "engine/http/body.hpp"
#include "engine/http/event_stream.hpp"
#include "engine/http/json.hpp"
#include "engine/http/routes.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::string_view execute_path = "/auto-rollback";
// Older windows are not passed off as the present.
constexpr rules::Second as_of_age_max = 30;
// An answer that the executor does not give comes so long after the claim.
constexpr std::chrono::seconds answer_after_claim{10};
// Prefer: wait=N, at most.
constexpr int wait_seconds_max = 3600;
// A decision that was taken is claimed, or has ended, within this.
constexpr std::chrono::seconds claim_max{300};

// Exactly the original's bodies: its clients compare them.
ApiResponse original(int status, std::string_view error) {
  return json_answer(R"({"error":")" + std::string{error} + "\"}", status);
}

// A deployment that memory does not know: the table may have it already, or may not be readable.
void answer_unknown(const ApiSources& sources, const rules::DeploymentId& deployment,
                    const ApiReply& reply) {
  DeploymentsQuery query;
  query.only = {deployment};
  sources.archive.deployments(query, [reply](const Result<std::optional<std::string>>& rows) {
    if (!rows) {
      reply(unanswered(rows.error()));
    } else if (rows.value().value_or("[]") == "[]") {
      reply(unknown_deployment());
    } else {
      reply(come_back("Not ready", "The deployment is recorded but not watched yet; ask again."));
    }
  });
}

void check(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  JsonBody body{call.request.body};
  const auto deployment = body.id<rules::DeploymentId>("deployment_id");
  if (!body.is_good()) {
    return reply(body.complaint());
  }
  if (!deployment) {
    return reply(original(400, "Missing deployment_id"));
  }
  const View& view = sources.view;
  if (!view.has_windows()) {
    return reply(
        come_back("Not ready", "The windows are being built for the first time; ask again."));
  }
  if (rules::second_of(sources.clock.now()) - view.as_of() > as_of_age_max) {
    return reply(come_back("Out of date",
                           "The windows are more than 30 seconds old, because the database cannot "
                           "be read; /readyz says why."));
  }
  if (const auto found = view.check(*deployment)) {
    return reply(json_answer(check_json(*found)));
  }
  answer_unknown(sources, *deployment, reply);
}

// Seconds of `Prefer: wait=N`; nothing: it is not asked for.
std::optional<int> wait_of(std::string_view prefer) {
  constexpr std::string_view key = "wait=";
  const std::size_t at = prefer.find(key);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view digits = prefer.substr(at + key.size());
  int seconds = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  return read.ec == std::errc{} && seconds >= 0 ? std::optional{std::min(seconds, wait_seconds_max)}
                                                : std::nullopt;
}

// Waits for what a decided rollback has to say, and says it once.
class Waiting : public std::enable_shared_from_this<Waiting> {
 public:
  Waiting(asio::any_io_executor timers, std::optional<int> wait, ApiReply reply)
      : timer_{std::move(timers)}, wait_{wait}, reply_{std::move(reply)} {}

  void begin(Desk& desk, const rules::Rollback& rollback) {
    last_ = rollback;
    follow(desk, rollback.id);
  }

  void follow(Desk& desk, const rules::EventId& event) {
    arm(wait_ ? std::chrono::seconds{*wait_} : claim_max);
    watch_ = desk.watch(
        event, [self = shared_from_this()](const rules::Rollback& state) { self->take(state); });
    if (!reply_) {
      watch_.reset();
    }
  }

 private:
  void take(const rules::Rollback& state) {
    last_ = state;
    const bool was_claimed = std::exchange(claimed_, state.claimed_at.has_value());
    if (state.is_over() || (!wait_ && executor_has_spoken(state))) {
      answer();
    } else if (!wait_ && claimed_ && !was_claimed) {
      arm(answer_after_claim);
    }
  }

  // github: to the dispatch. command and webhook: how it ended.
  static bool executor_has_spoken(const rules::Rollback& state) {
    const rules::StepName step = state.executor == "github" ? rules::StepName::trigger_deploy
                                                            : rules::StepName::await_deploy;
    const rules::StepStatus status = state.step(step).status;
    return status == rules::StepStatus::success || status == rules::StepStatus::failed;
  }

  void arm(std::chrono::seconds deadline) {
    timer_.expires_after(deadline);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) {
        self->answer();
      }
    });
  }

  void answer() {
    if (const ApiReply reply = std::exchange(reply_, nullptr)) {
      timer_.cancel();
      watch_.reset();
      reply(last_ ? done(execution_answer(*last_))
                  : come_back("Not ready", "The journal is being read; ask again."));
    }
  }

  asio::steady_timer timer_;
  std::optional<int> wait_;
  ApiReply reply_;
  std::optional<rules::Rollback> last_;
  bool claimed_ = false;
  Desk::Watch watch_;
};

std::optional<std::vector<rules::Reason>> overrides_in(JsonBody& body) {
  std::vector<rules::Reason> overrides;
  for (const std::string& name : body.texts("override")) {
    const auto reason = rules::reason_named(name);
    if (!reason) {
      body.object("override", "a list of preconditions such as [\"migration\"]; '" +
                                  name.substr(0, 60) + "' is none");
      return std::nullopt;
    }
    overrides.push_back(*reason);
  }
  return overrides;
}

void execute(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  JsonBody body{call.request.body};
  rules::ManualRequest wanted;
  const auto deployment = body.id<rules::DeploymentId>("deployment_id");
  const auto reason = body.text("trigger_reason");
  wanted.initiated_by = body.person();
  wanted.sender = call.sender;
  wanted.dry_run = body.flag("dry_run");
  wanted.revert_migrations = body.flag("revert_migrations");
  wanted.overrides = overrides_in(body).value_or(std::vector<rules::Reason>{});
  if (!body.is_good()) {
    return reply(body.complaint());
  }
  if (!deployment || !reason) {
    return reply(original(400, "Missing required fields: deployment_id, trigger_reason"));
  }
  if (!wanted.overrides.empty() && !call.may_override) {
    return reply(refusal(403, "Missing scope override",
                         "The token " + call.token +
                             " has not the scope override: add it to the token's scopes in "
                             "http.tokens, or leave override out."));
  }
  wanted.deployment = *deployment;
  wanted.reason = *reason;
  const auto waiting =
      std::make_shared<Waiting>(sources.timers, wait_of(call.request.prefer), reply);
  using Kind = rules::Answer::Kind;
  sources.desk.ask(wanted, [&sources, waiting, reply, is_dry_run = wanted.dry_run,
                            deployment = wanted.deployment](const rules::Answer& answer) {
    if (answer.kind == Kind::accepted && answer.rollback) {
      waiting->begin(sources.desk, *answer.rollback);
    } else if (answer.kind == Kind::unknown_deployment) {
      answer_unknown(sources, deployment, reply);
    } else if (answer.kind == Kind::no_target && is_dry_run) {
      answer_absent(sources, refused_request(answer, is_dry_run), reply);
    } else {
      reply(refused_request(answer, is_dry_run));
    }
  });
}

ApiResponse unknown_event() {
  return refusal(404, "Rollback event not found",
                 "GET /auto-rollback/history lists the rollbacks with their event_id.");
}

void one_event(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  const auto event = rules::EventId::parse(call.parameters.at(0));
  if (!event) {
    return reply(refusal(400, "Invalid event_id",
                         "The last part of the path has to be the event_id of a rollback."));
  }
  sources.archive.event(
      *event, [&view = sources.view, reply](const Result<std::optional<std::string>>& text) {
        if (!text) {
          reply(unanswered(text.error()));
        } else if (!text.value()) {
          reply(unknown_event());
        } else {
          reply(json_answer(event_json(*text.value(), view)));
        }
      });
}

void stream(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  const auto event = rules::EventId::parse(call.parameters.at(0));
  if (!event) {
    return reply(
        refusal(400, "Invalid event_id", "The path has to name the event_id of a rollback."));
  }
  sources.archive.event(
      *event, [&sources, event = *event, reply](const Result<std::optional<std::string>>& text) {
        if (!text) {
          return reply(unanswered(text.error()));
        }
        if (!text.value()) {
          return reply(unknown_event());
        }
        ApiResponse response;
        response.content_type = "text/event-stream";
        if (is_over(*text.value())) {
          response.body = "event: end\ndata: " + *text.value() + "\n\n";
        } else {
          response.stream =
              std::make_shared<EventStream>(sources.timers, sources.desk, sources.archive, event);
        }
        reply(std::move(response));
      });
}

}  // namespace

void follow_event(const ApiSources& sources, const ApiCall& call, const rules::EventId& event,
                  const ApiReply& reply) {
  sources.archive.event(
      event, [&sources, call, event, reply](const Result<std::optional<std::string>>& text) {
        if (!text) {
          reply(unanswered(text.error()));
        } else if (!text.value()) {
          reply(unknown_event());
        } else if (call.request.path != execute_path) {
          reply(json_answer(event_json(*text.value(), sources.view)));
        } else if (is_over(*text.value())) {
          reply(event_answer(*text.value()));
        } else {
          std::make_shared<Waiting>(sources.timers, wait_of(call.request.prefer), reply)
              ->follow(sources.desk, event);
        }
      });
}

void answer_absent(const ApiSources& sources, ApiResponse absent, const ApiReply& reply) {
  DeploymentsQuery none;
  none.only.emplace();
  sources.archive.deployments(
      none, [absent = std::move(absent), reply](const Result<std::optional<std::string>>& rows) {
        reply(rows ? absent : unanswered(rows.error()));
      });
}

std::vector<Route> rollback_routes() {
  return {{"POST", execute_path, Scope::rollback, true, execute},
          {"POST", "/auto-rollback/check", Scope::read, false, check},
          {"GET", "/auto-rollback/events/{event_id}", Scope::read, false, one_event},
          {"GET", "/auto-rollback/events/{event_id}/stream", Scope::read, false, stream}};
}

}  // namespace rollbackd::engine
