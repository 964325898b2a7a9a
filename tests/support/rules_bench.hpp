#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "rules/decider.hpp"
#include "tests/support/rules_kit.hpp"

namespace rollbackd::tests {

// The decider on a bench: the test is its feed, its journal and its executor. v1 is good, v2 serves
// since ten minutes ago and has passed its probation, the windows are complete and the journal is
// read. A ReadControl is answered at once by what `control` says, and a FollowDeploy of an executor
// that cannot follow as such a one does.
class Bench {
 public:
  explicit Bench(rules::Policy policy = {});

  // One input; every transaction it leads to is confirmed at once.
  void take(const rules::Input& input);
  // The same, and what was sent is left on its way.
  rules::Output step(const rules::Input& input);
  // The one answer to a request, with everything written that it led to. Throws: there is no one.
  rules::Answer ask(const rules::Input& request);
  void confirm_all();
  // The first transaction on its way is not written, or nobody knows.
  void fail_commit();

  // Time passes without anything happening, looked at second by second.
  void pass(double seconds);
  void errors(std::uint64_t n, const rules::Service& service = app);
  // The next look of the feed.
  rules::FeedBatch batch(std::vector<rules::Deployment> deployments = {},
                         std::vector<rules::EventGroup> events = {});
  // What the recount of the service that was asked for would say, of these events.
  [[nodiscard]] rules::WindowsRecounted recounted(const rules::Service& service,
                                                  std::vector<rules::EventGroup> events) const;
  // The row as it is from now on, and the recount that it asks for.
  void put(const rules::Deployment& deployment);
  void sample(double connections, std::optional<double> memory = std::nullopt);
  void read_journal(rules::JournalRead journal = {}) { take(journal); }
  // What the database has made of the entries so far, as a feed would bring it.
  void feed_back_rows();

  [[nodiscard]] const rules::World& world() const { return decider.world(); }

  // What has been written, started and explained since `forget()`.
  void forget();
  [[nodiscard]] std::vector<std::string> stories() const;  // event types, without rollback_step
  [[nodiscard]] std::size_t told(const std::string& event_type) const;
  [[nodiscard]] std::vector<rules::RomanEvent> all_told(const std::string& event_type) const;
  [[nodiscard]] std::vector<std::string> explained() const;
  [[nodiscard]] std::optional<rules::Rollback> rollback() const;  // the one written last
  template <class Kind>
  [[nodiscard]] std::vector<Kind> written() const {
    std::vector<Kind> found;
    for (const rules::JournalEntry& entry : entries) {
      if (const auto* kind = std::get_if<Kind>(&entry)) {
        found.push_back(*kind);
      }
    }
    return found;
  }
  template <class Kind>
  [[nodiscard]] std::vector<Kind> started() const {
    std::vector<Kind> found;
    for (const rules::Action& action : actions) {
      if (const auto* kind = std::get_if<Kind>(&action)) {
        found.push_back(*kind);
      }
    }
    return found;
  }

  rules::Decider decider;
  rules::Instant now = noon;
  rules::ControlRead control;
  bool answers_control = true;
  std::deque<rules::Commit> on_their_way;
  std::vector<rules::JournalEntry> entries;
  std::vector<rules::Action> actions;
  std::vector<rules::Explanation> explanations;

 private:
  void answer(const std::vector<rules::Action>& asked);
  void recount(const rules::Service& service);

  rules::Look look_ = 0;
  std::size_t rows_fed_back_ = 0;
  std::vector<rules::EventGroup> logged_;
};

// The eight steps in one word: pending, in progress, success, failed or skipped by p i s f k.
std::string steps_text(const rules::Rollback& rollback);

}  // namespace rollbackd::tests
