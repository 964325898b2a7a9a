// The part of the decider that answers people.

#include "rules/decider.hpp"

namespace rollbackd::rules {

void Decider::on(const ApproveRequest& request, Instant /*now*/, Output& output) {
  output.answers.push_back({request.request, Answer::Kind::unavailable, {}, {}});
}

void Decider::on(const AbortRequest& request, Instant /*now*/, Output& output) {
  output.answers.push_back({request.request, Answer::Kind::unavailable, {}, {}});
}

void Decider::on(const PauseRequest& request, Instant /*now*/, Output& output) {
  output.answers.push_back({request.request, Answer::Kind::unavailable, {}, {}});
}

void Decider::on(const CloseBreakerRequest& request, Instant /*now*/, Output& output) {
  output.answers.push_back({request.request, Answer::Kind::unavailable, {}, {}});
}

}  // namespace rollbackd::rules
