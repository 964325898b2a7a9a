#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "engine/asio.hpp"
#include <nlohmann/json_fwd.hpp>

#include "engine/outgoing/http_client.hpp"
#include "engine/result.hpp"

namespace rollbackd::ctl {

// The exit codes of DESIGN.md section 6.
enum ExitCode : int {
  exit_ok = 0,
  exit_failed = 1,
  exit_usage = 2,
  exit_rolled_back = 3,
  exit_timed_out = 4,
  exit_refused = 5,
  exit_no_server = 6,
};

// Where the daemon is and who asks.
struct Access {
  std::string server;  // without a slash at its end
  std::string token;
  bool json = false;  // what the daemon answers is printed for programs
};

// ~/.config/rollbackctl.yaml, or where XDG_CONFIG_HOME says.
std::filesystem::path usual_config_file();

// Flags first, then ROLLBACKD_SERVER and ROLLBACKD_TOKEN, then the lines `server: …` and
// `token: …` (or
// `token_file: …`) of the file (default: usual_config_file()), then http://127.0.0.1:9641.
engine::Result<Access> access_of(const std::string& server_flag, const std::string& token_flag,
                                 const std::string& file_flag);

// What the daemon answered.
struct Reply {
  int status = 0;     // 0: there was no answer
  std::string body;   // as it came
  std::string error;  // why there was none
  // What was asked for may have been done, or be done yet, whatever this reply says.
  bool in_doubt = false;

  [[nodiscard]] bool is_good() const { return status >= 200 && status < 300; }
};

// Asks the daemon, one request after the other, and waits for each answer.
class Client {
 public:
  explicit Client(Access access);
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Reply get(const std::string& path, std::chrono::seconds deadline = std::chrono::seconds{30});
  // For what only asks, though it has a body.
  Reply send(std::string_view method, const std::string& path, const nlohmann::json& body,
             std::chrono::seconds deadline = std::chrono::seconds{30},
             const std::string& prefer = {});

  // For what changes something: with an Idempotency-Key of its own. While it is not known what
  // became of it (the answer was lost, or the daemon does not know), it is asked again with the
  // same key, for act_again_for at the most, and so done once. Says on stderr that it waits.
  Reply act(std::string_view method, const std::string& path, const nlohmann::json& body,
            std::chrono::seconds deadline = std::chrono::seconds{30},
            const std::string& prefer = {});
  static constexpr std::chrono::seconds act_again_for{30};

  // Lets time pass before the next question.
  virtual void wait(std::chrono::milliseconds pause);

  [[nodiscard]] const std::string& server() const { return access_.server; }
  [[nodiscard]] bool wants_json() const { return access_.json; }

 protected:
  virtual Reply ask(engine::HttpRequest request);

 private:
  static engine::HttpRequest request_of(std::string_view method, const std::string& path,
                                        const nlohmann::json& body, std::chrono::seconds deadline,
                                        const std::string& prefer);

  Access access_;
  engine::asio::io_context reactor_;
  engine::HttpClient http_;
};

// The answer to what was asked with act() was lost with the daemon that gave it: it was done.
bool was_done_before(const Reply& reply);

// Says on stderr what was wrong with an answer and what can be done, with the server's own words
// where there are some, and gives the exit code for it. Of a good answer: that it is none of
// rollbackd's.
int complain(const Client& client, const Reply& reply);

// A text with everything that is no letter, digit, '-', '.', '_' or '~' as %XX.
std::string url_part(std::string_view text);

}  // namespace rollbackd::ctl
