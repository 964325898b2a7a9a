#include "engine/http/body.hpp"
#include "engine/http/json.hpp"
#include "engine/http/routes.hpp"

namespace rollbackd::engine {
namespace {

// Who is named, else whose token it is.
std::string speaker_in(JsonBody& body, const ApiCall& call) {
  const std::string person = body.person();
  return person.empty() ? call.token : person;
}

std::string reason_in(JsonBody& body) {
  auto reason = body.text("reason");
  if (!reason && body.is_good()) {
    body.object("reason", "a text that says why: it is recorded");
  }
  return reason.value_or("");
}

// A request about one event: {event_id, reason, initiated_by?}.
template <class Request>
void about_event(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  JsonBody body{call.request.body};
  Request wanted;
  const auto event = body.id<rules::EventId>("event_id");
  wanted.reason = reason_in(body);
  wanted.by = speaker_in(body, call);
  wanted.sender = call.sender;
  if (body.is_good() && !event) {
    body.object("event_id", "the event_id of a rollback or proposal");
  }
  if (!body.is_good()) {
    return reply(body.complaint());
  }
  wanted.event = *event;
  sources.desk.ask(wanted, [&sources, reply](const rules::Answer& answer) {
    if (answer.kind == rules::Answer::Kind::accepted && answer.rollback) {
      reply(done(json_answer(rollback_state_json(*answer.rollback))));
    } else if (answer.kind == rules::Answer::Kind::unknown_event) {
      answer_absent(sources, refused_request(answer), reply);
    } else {
      reply(refused_request(answer));
    }
  });
}

void ask_for_pause(const ApiSources& sources, const rules::PauseRequest& wanted,
                   const ApiReply& reply) {
  sources.desk.ask(wanted, [reply](const rules::Answer& answer) {
    if (answer.kind == rules::Answer::Kind::accepted) {
      reply(done(json_answer(pause_json(answer.pause))));
    } else {
      reply(refused_request(answer));
    }
  });
}

void pause(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  JsonBody body{call.request.body};
  const rules::PauseRequest wanted{0, true, reason_in(body), speaker_in(body, call), call.sender};
  if (!body.is_good()) {
    return reply(body.complaint());
  }
  ask_for_pause(sources, wanted, reply);
}

void resume(const ApiSources& sources, const ApiCall& call, const ApiReply& reply) {
  JsonBody body{call.request.body};
  const std::string reason = reason_in(body);
  const std::string person = speaker_in(body, call);
  const auto breaker = body.text("breaker");
  if (!body.is_good()) {
    return reply(body.complaint());
  }
  if (!breaker) {
    return ask_for_pause(sources, {0, false, reason, person, call.sender}, reply);
  }
  if (!call.may_override) {
    return reply(refusal(403, "Missing scope override",
                         "Closing a breaker needs the scope override; the token " + call.token +
                             " has not got it."));
  }
  sources.desk.ask(rules::CloseBreakerRequest{0, *breaker, reason, person, call.sender},
                   [&sources, reply, breaker](const rules::Answer& answer) {
                     if (answer.kind == rules::Answer::Kind::accepted) {
                       reply(done(json_answer(breaker_json(*breaker, false))));
                     } else if (answer.kind == rules::Answer::Kind::no_breaker) {
                       answer_absent(sources, refused_request(answer), reply);
                     } else {
                       reply(refused_request(answer));
                     }
                   });
}

}  // namespace

std::vector<Route> people_routes() {
  return {
      {"POST", "/auto-rollback/approve", Scope::rollback, true, about_event<rules::ApproveRequest>},
      {"POST", "/auto-rollback/abort", Scope::rollback, true, about_event<rules::AbortRequest>},
      {"POST", "/auto-rollback/pause", Scope::rollback, true, pause},
      {"POST", "/auto-rollback/resume", Scope::rollback, true, resume}};
}

}  // namespace rollbackd::engine
