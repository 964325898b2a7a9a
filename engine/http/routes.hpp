#pragma once

#include <vector>

#include "engine/http/route.hpp"

// The routes in groups.
namespace rollbackd::engine {

// Answers an execution, or what was said about one event, that was accepted before: at its end, or
// as it stands.
void follow_event(const ApiSources& sources, const ApiCall& call, const rules::EventId& event,
                  const ApiReply& reply);

// Answers that something is not there: memory alone cannot know it when the database has just been
// lost, so that 503 is answered unless that can be read.
void answer_absent(const ApiSources& sources, ApiResponse absent, const ApiReply& reply);

std::vector<Route> status_routes();    // metrics, health, readiness
std::vector<Route> rollback_routes();  // execute, check, one rollback's events
std::vector<Route> people_routes();    // approve, abort, pause, resume
std::vector<Route> record_routes();    // history, deployments
std::vector<Route> discord_routes();
std::vector<Route> alert_routes();  // alerts in

}  // namespace rollbackd::engine
