#include "engine/telemetry/life_signs.hpp"

#include <utility>

namespace rollbackd::engine {
namespace {

constexpr std::chrono::seconds status_every{1};

}  // namespace

void LifeSigns::turn(SteadyTime now, bool progresses, const std::function<std::string()>& status) {
  const auto interval = supervisor_.watchdog_interval();
  if (progresses && interval && (!fed_ || now - *fed_ >= *interval / 2)) {
    fed_ = now;
    supervisor_.watchdog();
  }
  if (stopping_) {
    if (progresses && now - extended_ >= extension / 3) {
      extended_ = now;
      supervisor_.extend(extension);
    }
    return;
  }
  if (now - asked_ < status_every) {
    return;
  }
  asked_ = now;
  if (std::string line = status(); line != told_) {
    told_ = std::move(line);
    supervisor_.status(told_);
  }
}

void LifeSigns::ready(const std::string& status) {
  told_ = status;
  supervisor_.ready(status);
}

void LifeSigns::stopping(SteadyTime now, const std::string& status) {
  stopping_ = true;
  extended_ = now;
  supervisor_.stopping(status);
  supervisor_.extend(extension);
}

}  // namespace rollbackd::engine
