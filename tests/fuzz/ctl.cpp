// What rollbackctl makes of any server's answers. Input: a command and its name on the first line,
// what a person adds on the second; then the answers, a line each: the status, a blank, the body.
// The command `explain` is rollbackd's: a row and the trigger table.

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include "engine/ctl/commands.hpp"
#include "engine/foreign_json.hpp"
#include "engine/terminal/deployment_text.hpp"
#include "engine/utf8.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/promises.hpp"

namespace rollbackd::fuzz {
namespace {

using nlohmann::json;

// Thrown through a command when there is nothing more to be answered.
struct Unanswered {};

// Answers from the input instead of asking a server.
class TalkingClient final : public ctl::Client {
 public:
  TalkingClient() : Client{{"http://127.0.0.1:9641", "token", false}} {}

  void begin(std::string_view answers) {
    answers_ = answers;
    last_ = {};
    waits_ = 0;
    asked_ = false;
    acted_ = false;
  }
  void wait(std::chrono::milliseconds /*pause*/) override {
    if (++waits_ > waits_max) {
      throw Unanswered{};
    }
  }
  [[nodiscard]] const ctl::Reply& last() const { return last_; }
  [[nodiscard]] bool has_asked() const { return asked_; }
  // Something was asked for that is more than looking.
  [[nodiscard]] bool has_acted() const { return acted_; }

 protected:
  ctl::Reply ask(engine::HttpRequest request) override {
    look_at(request);
    if (answers_.empty()) {
      throw Unanswered{};
    }
    asked_ = true;
    std::string_view line = take_part(answers_);
    const std::string_view status = take_part(line, ' ');
    last_ = {};
    std::from_chars(status.data(), status.data() + status.size(), last_.status);
    (last_.status == 0 ? last_.error : last_.body) = line;
    return last_;
  }

 private:
  static constexpr int waits_max = 8;

  void look_at(const engine::HttpRequest& request) {
    INVARIANT(request.url.starts_with("/auto-rollback") && is_one_line(request.url));
    INVARIANT(request.url.find(' ') == std::string::npos);
    if (request.method != "GET") {
      const json body = json::parse(request.body);
      const bool looks = request.url.ends_with("/check") || body.value("dry_run", false);
      acted_ = acted_ || !looks;
      INVARIANT(request.once);
    }
  }

  std::string_view answers_;
  ctl::Reply last_;
  int waits_ = 0;
  bool asked_ = false;
  bool acted_ = false;
};

// What is printed meanwhile.
class Printed {
 public:
  Printed() : out_{std::cout.rdbuf(text_.rdbuf())}, err_{std::cerr.rdbuf(text_.rdbuf())} {}
  ~Printed() {
    std::cout.rdbuf(out_);
    std::cerr.rdbuf(err_);
  }
  Printed(const Printed&) = delete;
  Printed& operator=(const Printed&) = delete;

  [[nodiscard]] std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::streambuf* out_;
  std::streambuf* err_;
};

// Lines that a terminal shows and does not obey. A tab separates what a shell completes.
void look_at_lines(std::string_view text) {
  while (!text.empty()) {
    std::string line{take_part(text)};
    std::replace(line.begin(), line.end(), '\t', ' ');
    INVARIANT(is_one_line(line) && engine::plain_text(line) == line);
  }
}

using Command = int (*)(ctl::Client&, const ctl::Arguments&);

const std::map<std::string_view, Command>& commands() {
  static const std::map<std::string_view, Command> all{
      {"status", ctl::status},     {"watch", ctl::watch},     {"check", ctl::check},
      {"list", ctl::deployments},  {"history", ctl::history}, {"show", ctl::show},
      {"rollback", ctl::rollback}, {"plan", ctl::rollback},   {"approve", ctl::approve},
      {"abort", ctl::abort},       {"pause", ctl::pause},     {"resume", ctl::resume},
      {"complete", ctl::complete}, {"record", ctl::record},   {"change", ctl::record},
      {"gate", ctl::gate}};
  return all;
}

ctl::Arguments arguments_of(std::string_view command, std::string_view name,
                            std::string_view added) {
  ctl::Arguments arguments;
  arguments.name = name;
  arguments.reason = added;
  arguments.environment = arguments.version = arguments.commit = arguments.branch = added;
  arguments.breaker = command == "resume" ? added : "";
  arguments.deployment = command == "change" ? name : "";
  arguments.status = command == "change" ? "failed" : "";
  arguments.yes = true;
  arguments.dry_run = command == "plan";
  arguments.json = added.starts_with("json");
  return arguments;
}

// What the exit code says is what the last answer said.
void look_at_code(std::string_view command, int code, const TalkingClient& client) {
  INVARIANT(code >= ctl::exit_ok && code <= ctl::exit_no_server);
  INVARIANT(client.has_asked() &&
            (code != ctl::exit_ok || client.last().is_good() || command == "complete"));
  const bool only_looks = command == "plan" || command == "complete" || command == "gate" ||
                          command == "check" || command == "show" || command == "status";
  INVARIANT(!only_looks || !client.has_acted());
  INVARIANT(code != ctl::exit_rolled_back || command == "check" || command == "gate");
  if (command == "check" && (code == ctl::exit_ok || code == ctl::exit_rolled_back)) {
    const auto verdict = engine::foreign_json(client.last().body);
    INVARIANT(verdict["should_rollback"] == (code == ctl::exit_rolled_back));
  }
  if ((command == "rollback" || command == "approve") && code == ctl::exit_ok) {
    INVARIANT(engine::text_in(engine::foreign_json(client.last().body), "status") == "success");
  }
}

void explain(std::string_view input) {
  const auto row = engine::foreign_json(take_part(input));
  const auto triggers = engine::foreign_json(take_part(input));
  look_at_lines(terminal::deployment_text(row, triggers));
}

void run(std::string_view input) {
  // Of a terminal it would be the colours that are looked at.
  static const bool is_dumb = setenv("TERM", "dumb", 1) == 0;
  static TalkingClient client;
  INVARIANT(is_dumb);
  std::string_view name = take_part(input);
  const std::string_view command = take_part(name, ' ');
  if (command == "explain") {
    return explain(input);
  }
  const auto known = commands().find(command);
  if (known == commands().end()) {
    return;
  }
  const ctl::Arguments arguments = arguments_of(command, name, take_part(input));
  client.begin(input);
  const Printed printed;
  try {
    look_at_code(command, known->second(client, arguments), client);
  } catch (const Unanswered&) {
  }
  if (!arguments.json) {
    look_at_lines(printed.text());
  }
}

const Registered target{{"ctl", run}};

}  // namespace
}  // namespace rollbackd::fuzz
