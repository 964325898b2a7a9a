#include "tests/sim/traffic.hpp"

#include <utility>

namespace rollbackd::tests {
namespace {

using rules::DeploymentStatus;
using rules::Duration;
using rules::Instant;

}  // namespace

Traffic::Traffic(SimWorld& world, Random& random, rules::Service service, bool is_calm)
    : world_{world}, random_{random}, service_{std::move(service)}, is_calm_{is_calm} {}

Quality Traffic::some_quality() {
  switch (is_calm_ ? 0 : random_.between(0, 9)) {
    case 0:
    case 1:
    case 2:
      return {0, false};
    case 3:
    case 4:
      return {0.3, false};
    case 5:
      return {3, false};
    case 6:
      return {5, false};  // just not enough
    case 7:
      return {40, true};
    case 8:
      return {12, false};
    default:
      return {150, false};
  }
}

void Traffic::deploy() {
  std::string version = "v" + std::to_string(versions_ + 1);
  if (versions_ > 1 && random_.one_in(6)) {
    version = "v" + std::to_string(random_.between(1, versions_));  // an old one once more
  } else {
    ++versions_;
    qualities_[version] = versions_ == 1 ? Quality{} : some_quality();
  }
  const std::string commit = "c-" + version;
  const auto record = [&](DeploymentStatus status) {
    rows_.push_back(world_.deploy(service_, version, commit, status));
    return rows_.back();
  };
  using enum DeploymentStatus;
  switch (random_.between(0, 6)) {
    case 0:
    case 1:
      unfinished_.push_back({record(pending), version, {in_progress, success}});
      break;
    case 2:
      unfinished_.push_back({record(pending), version, {failed}});
      break;
    case 3:
      unfinished_.push_back({record(in_progress), version, {failed}});
      run(version);
      break;
    case 4:
      unfinished_.push_back({record(in_progress), version, {success}});
      run(version);
      break;
    case 5:
      record(success);
      run(version);
      break;
    default:
      record(in_progress);
      run(version);
  }
}

void Traffic::advance_pipeline() {
  if (unfinished_.empty()) {
    return;
  }
  Unfinished& first = unfinished_.front();
  const DeploymentStatus status = first.next.front();
  first.next.erase(first.next.begin());
  world_.set_status(first.id, status);
  if (status == DeploymentStatus::in_progress) {
    run(first.version);
  } else if (const auto* d = world_.database().at(service_, world_.time());
             status == DeploymentStatus::failed && d != nullptr) {
    run(d->version);
  }
  if (first.next.empty()) {
    unfinished_.erase(unfinished_.begin());
  }
}

Instant Traffic::some_timestamp() {
  const Instant now = world_.time();
  switch (random_.between(0, 24)) {
    case 0:
      return now - Duration{random_.between(0, 400'000'000)};
    case 1:
      return now + Duration{random_.between(0, 400'000'000)};
    case 2:
      return random_.one_in(8) ? rules::instant_of(random_.between(-1'000'000, 9'000'000'000))
                               : now;
    default:
      return now - Duration{random_.between(0, 3'000'000)};
  }
}

void Traffic::log_errors(Duration since) {
  const Quality quality = qualities_[running_];
  const bool pauses = quality.is_flapping && rules::second_of(world_.time()) % 60 >= 20;
  const double rate = (pauses ? 0 : quality.errors_per_minute) + weather_;
  owed_ += is_calm_ ? 0
                    : rate * rules::in_seconds(since) / 60 *
                          static_cast<double>(random_.between(0, 200)) / 100;
  while (owed_ >= 1) {
    owed_ -= 1;
    std::optional<rules::DeploymentId> own;
    if (random_.one_in(12) && !rows_.empty()) {
      own = random_.one_in(5) ? numbered_id(random_.next() % 300) : rows_.back();
    }
    world_.log_error(service_, some_timestamp(), own);
  }
}

void Traffic::calm_down() {
  is_calm_ = true;
  weather_ = 0;
  finish_pipeline();
}

void Traffic::finish_pipeline() {
  while (!unfinished_.empty()) {
    advance_pipeline();
  }
}

}  // namespace rollbackd::tests
