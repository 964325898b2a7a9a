#include "tests/torture/target.hpp"

#include <deque>
#include <fstream>
#include <signal.h>
#include <sstream>
#include <sys/wait.h>

#include "engine/time_text.hpp"
#include "tests/support/checked_health.hpp"
#include "tests/torture/http_link.hpp"

namespace rollbackd::tests::torture {
namespace {

// Nothing ever fires: it is about counting. The API's token is "test-token".
std::string configuration(const std::string& conninfo) {
  return "database: {conninfo: \"" + conninfo +
         "\"}\n"
         "http: {listen: 127.0.0.1:0, tokens: [{name: test, scopes: [read], sha256: "
         "4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e}]}\n"
         "triggers:\n"
         "  - {name: error_rate, signal: errors_per_minute, window: 60s, above: 1000000000}\n"
         "  - {name: recent_errors, signal: errors, window: 5m, above: 1000000000}\n"
         "rollback: {executor: command, command: {argv: [\"/bin/false\"]}}\n"
         "log: {level: info}\n";
}

std::string request(const std::string& method, const std::string& path, const std::string& body) {
  return method + " " + path +
         " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer test-token\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

Told told_of(const std::string& deployment, const HttpLink::Answer& answer) {
  Told told{deployment, answer.status};
  if (answer.status == 200) {
    const CheckedHealth health = checked_health(answer.body);
    const auto second = engine::parse_instant(health.timestamp);
    told.second = second ? rules::second_of(*second) : 0;
    told.last_minute = health.last_minute;
    told.five_minutes = health.five_minutes;
  }
  return told;
}

}  // namespace

Target::Target(const std::string& conninfo)
    : daemon_{std::make_unique<Daemon>(configuration(conninfo))} {}

Target::~Target() = default;

void Target::kill() {
  link_.reset();
  daemon_->kill();
}

void Target::start(const std::string& conninfo) {
  log_begin_ = std::filesystem::file_size(daemon_->directory() / "log");
  std::ofstream{daemon_->directory() / "rollbackd.yaml"} << configuration(conninfo);
  daemon_->start();
}

void Target::stop_for_now() { daemon_->signal(SIGSTOP); }
void Target::go_on() { daemon_->signal(SIGCONT); }

bool Target::has_ended() const {
  siginfo_t info{};
  return daemon_->pid() != 0 &&
         waitid(P_PID, static_cast<id_t>(daemon_->pid()), &info, WEXITED | WNOHANG | WNOWAIT) ==
             0 &&
         info.si_pid != 0;
}

// Its port is the system's choice, and in its log.
bool Target::reach() {
  if (link_ != nullptr) {
    return true;
  }
  std::ifstream log{daemon_->directory() / "log"};
  log.seekg(static_cast<std::streamoff>(log_begin_));
  static const std::string word = "event=http_listening port=";
  for (std::string line; std::getline(log, line);) {
    const auto at = line.find(word);
    if (at != std::string::npos && !log.eof()) {  // a line that is still being written has no end
      link_ = std::make_unique<HttpLink>(
          static_cast<std::uint16_t>(std::stoi(line.substr(at + word.size()))));
      return true;
    }
  }
  return false;
}

std::vector<Told> Target::check(const std::vector<std::string>& deployments) {
  if (!reach()) {
    return {};
  }
  std::vector<std::string> requests;
  requests.reserve(deployments.size());
  for (const std::string& id : deployments) {
    requests.push_back(request("POST", "/functions/v1/auto-rollback/check",
                               R"({"deployment_id": ")" + id + "\"}"));
  }
  const auto answers = link_->ask(requests);
  if (!answers) {
    link_.reset();
    return {};
  }
  std::vector<Told> told;
  for (std::size_t i = 0; i < deployments.size(); ++i) {
    told.push_back(told_of(deployments[i], (*answers)[i]));
  }
  return told;
}

std::map<std::string, double> Target::metrics() {
  std::map<std::string, double> values;
  const auto answers = reach() ? link_->ask({request("GET", "/metrics", "")}) : std::nullopt;
  if (!answers) {
    link_.reset();
    return values;
  }
  std::istringstream lines{answers->front().body};
  for (std::string line; std::getline(lines, line);) {
    const auto space = line.find(' ');
    if (!line.starts_with('#') && space != std::string::npos &&
        line.find('{') == std::string::npos) {
      values[line.substr(0, space)] = std::stod(line.substr(space + 1));
    }
  }
  return values;
}

std::string Target::log_tail(std::size_t lines) const {
  std::ifstream log{daemon_->directory() / "log"};
  std::deque<std::string> tail;
  for (std::string line; std::getline(log, line);) {
    if (line.find("event=http_request") != std::string::npos) {
      continue;  // ours
    }
    tail.push_back(line);
    if (tail.size() > lines) {
      tail.pop_front();
    }
  }
  std::string text;
  for (const std::string& line : tail) {
    text += line + "\n";
  }
  return text;
}

}  // namespace rollbackd::tests::torture
