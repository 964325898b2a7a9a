#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/asio.hpp"

#include "engine/ports.hpp"

// Ports that remember what they were told, and the way to wait for it: by running the reactor,
// never by sleeping.
namespace rollbackd::tests {

class RecordingInbox : public engine::Inbox {
 public:
  void post(rules::Input input) override {
    const std::lock_guard lock{mutex_};
    inputs_.push_back(std::move(input));
  }

  // All of one kind, in their order.
  template <class Kind>
  [[nodiscard]] std::vector<Kind> all() const {
    const std::lock_guard lock{mutex_};
    std::vector<Kind> found;
    for (const auto& input : inputs_) {
      if (const auto* kind = std::get_if<Kind>(&input)) {
        found.push_back(*kind);
      }
    }
    return found;
  }

  [[nodiscard]] std::vector<rules::Input> inputs() const {
    const std::lock_guard lock{mutex_};
    return inputs_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<rules::Input> inputs_;
};

class RecordingLog : public engine::Log {
 public:
  void write(engine::LogLevel level, std::string_view event, const rules::Fields& fields) override {
    const std::lock_guard lock{mutex_};
    std::string line{event};
    for (const auto& field : fields) {
      line += ' ' + field.key + '=' + rules::value_text(field.value);
    }
    lines_.emplace_back(level, std::move(line));
  }

  // All lines, one per line.
  [[nodiscard]] std::string text() const {
    const std::lock_guard lock{mutex_};
    std::string all;
    for (const auto& [level, line] : lines_) {
      all += line + '\n';
    }
    return all;
  }

  // How many lines are of this event.
  [[nodiscard]] std::size_t count(std::string_view event) const {
    const std::lock_guard lock{mutex_};
    return static_cast<std::size_t>(std::count_if(
        lines_.begin(), lines_.end(),
        [&](const auto& line) { return line.second.substr(0, line.second.find(' ')) == event; }));
  }

  [[nodiscard]] bool has(engine::LogLevel level, std::string_view event) const {
    const std::lock_guard lock{mutex_};
    return std::any_of(lines_.begin(), lines_.end(), [&](const auto& line) {
      return line.first == level && line.second.starts_with(event);
    });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<engine::LogLevel, std::string>> lines_;
};

class RecordingMeter : public engine::Meter {
 public:
  void count(engine::Count what, double n) override {
    const std::lock_guard lock{mutex_};
    counts_[what] += n;
  }
  void set(engine::Level what, double value) override {
    const std::lock_guard lock{mutex_};
    levels_[what] = value;
  }
  void observe(engine::Timing what, double) override {
    const std::lock_guard lock{mutex_};
    timings_[what] += 1;
  }
  void answered(std::string_view method, std::string_view route, int status) override {
    const std::lock_guard lock{mutex_};
    ++answers_[std::string{method} + " " + std::string{route} + " " + std::to_string(status)];
  }

  [[nodiscard]] double counted(engine::Count what) const { return in(counts_, what); }
  [[nodiscard]] double level(engine::Level what) const { return in(levels_, what); }
  // "GET /healthz 200" and how often.
  [[nodiscard]] std::map<std::string, int> answers() const {
    const std::lock_guard lock{mutex_};
    return answers_;
  }
  [[nodiscard]] double observed(engine::Timing what) const { return in(timings_, what); }

 private:
  template <class What>
  [[nodiscard]] double in(const std::map<What, double>& values, What what) const {
    const std::lock_guard lock{mutex_};
    const auto found = values.find(what);
    return found == values.end() ? 0 : found->second;
  }

  mutable std::mutex mutex_;
  std::map<engine::Count, double> counts_;
  std::map<engine::Level, double> levels_;
  std::map<engine::Timing, double> timings_;
  std::map<std::string, int> answers_;
};

// Runs the reactor until `done()` holds. False: it did not within `patience`.
template <class Condition>
bool run_until(engine::asio::io_context& reactor, Condition done,
               std::chrono::seconds patience = std::chrono::seconds{60}) {
  bool over = false;
  engine::asio::steady_timer limit{reactor, patience};
  limit.async_wait([&over](const boost::system::error_code& error) { over = !error; });
  reactor.restart();
  while (!done() && !over) {
    reactor.run_one();
  }
  limit.cancel();
  reactor.restart();
  reactor.poll();
  return done();
}

}  // namespace rollbackd::tests
