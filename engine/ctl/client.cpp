#include "engine/ctl/client.hpp"

#include <cstdlib>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <optional>
#include <random>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include "engine/foreign_json.hpp"
#include "engine/secret_file.hpp"
#include "engine/steady_time.hpp"
#include "engine/terminal/json_parts.hpp"
#include "engine/terminal/reason_text.hpp"
#include "engine/terminal/screen.hpp"
#include "rules/preconditions.hpp"

namespace rollbackd::ctl {
namespace {

using terminal::age;
using terminal::part;
using terminal::printable;
using terminal::rows_of;
using terminal::shown_of;
using terminal::text_of;

constexpr const char* default_server = "http://127.0.0.1:9641";
// A thousand rollbacks with their steps and checks are some 7 MB, and people add metadata.
constexpr std::size_t answer_bytes_max = 64U << 20U;
constexpr const char* a_file =
    "expected two lines: server: http://… and token: …, or token_file: …";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string first_of(std::initializer_list<std::string> texts) {
  for (const std::string& text : texts) {
    if (!text.empty()) {
      return text;
    }
  }
  return {};
}

}  // namespace

std::filesystem::path usual_config_file() {
  if (const std::string home = environment("XDG_CONFIG_HOME"); !home.empty()) {
    return std::filesystem::path{home} / "rollbackctl.yaml";
  }
  return std::filesystem::path{environment("HOME")} / ".config" / "rollbackctl.yaml";
}

engine::Result<Access> access_of(const std::string& server_flag, const std::string& token_flag,
                                 const std::string& file_flag) {
  Access from_file;
  const std::filesystem::path file =
      file_flag.empty() ? usual_config_file() : std::filesystem::path{file_flag};
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) {
    return engine::Error{file.string() + " is a folder", a_file};
  }
  if (!file_flag.empty() || std::filesystem::exists(file, ignored)) {
    try {
      const YAML::Node node = YAML::LoadFile(file.string());
      for (const auto& pair : node) {
        const auto key = pair.first.as<std::string>();
        if (key == "server") {
          from_file.server = pair.second.as<std::string>();
        } else if (key == "token") {
          from_file.token = pair.second.as<std::string>();
        } else if (key == "token_file") {
          const std::filesystem::path secret = file.parent_path() / pair.second.as<std::string>();
          auto token = engine::read_secret_file(secret);
          if (!token) {
            return engine::Error{
                file.string() + ": token_file " + secret.string() + " " + token.error().what,
                "expected " + token.error().remedy};
          }
          from_file.token = std::move(*token);
        } else {
          return engine::Error{file.string() + ": unknown key \"" + key + "\"",
                               "expected server, token or token_file"};
        }
      }
    } catch (const YAML::Exception& error) {
      return engine::Error{file.string() + ": " + error.what(), a_file};
    }
  }
  Access access;
  access.server =
      first_of({server_flag, environment("ROLLBACKD_SERVER"), from_file.server, default_server});
  access.token = first_of({token_flag, environment("ROLLBACKD_TOKEN"), from_file.token});
  while (!access.server.empty() && access.server.back() == '/') {
    access.server.pop_back();
  }
  if (access.server.find("://") == std::string::npos) {
    access.server = "http://" + access.server;
  }
  return access;
}

Client::Client(Access access) : access_{std::move(access)}, http_{reactor_.get_executor()} {}

Reply Client::ask(engine::HttpRequest request) {
  request.url = access_.server + request.url;
  request.answer_bytes_max = answer_bytes_max;
  if (!access_.token.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + access_.token);
  }
  Reply reply;
  http_.send(std::move(request), [&reply](const engine::HttpOutcome& outcome) {
    if (outcome.response && outcome.response->body_cut) {
      reply.error = "its answer is longer than " + std::to_string(answer_bytes_max >> 20U) + " MiB";
      reply.in_doubt = true;
    } else if (outcome.response) {
      reply.status = outcome.response->status;
      reply.body = outcome.response->body;
    } else {
      reply.error = outcome.failure.what;
      reply.in_doubt = outcome.failure.certainty == engine::HttpFailure::Certainty::unknown;
    }
  });
  reactor_.restart();
  reactor_.run();
  return reply;
}

namespace {

Reply only_asked(Reply reply) {
  reply.in_doubt = false;  // there was nothing to be done
  return reply;
}

}  // namespace

Reply Client::get(const std::string& path, std::chrono::seconds deadline) {
  engine::HttpRequest request;
  request.url = path;
  request.deadline = deadline;
  return only_asked(ask(std::move(request)));
}

engine::HttpRequest Client::request_of(std::string_view method, const std::string& path,
                                       const nlohmann::json& body, std::chrono::seconds deadline,
                                       const std::string& prefer) {
  engine::HttpRequest request;
  request.method = std::string{method};
  request.url = path;
  // What was typed may be no UTF-8.
  request.body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  request.headers.emplace_back("Content-Type", "application/json");
  if (!prefer.empty()) {
    request.headers.emplace_back("Prefer", prefer);
  }
  request.deadline = deadline;
  request.once = true;
  return request;
}

Reply Client::send(std::string_view method, const std::string& path, const nlohmann::json& body,
                   std::chrono::seconds deadline, const std::string& prefer) {
  return only_asked(ask(request_of(method, path, body, deadline, prefer)));
}

namespace {

constexpr std::chrono::milliseconds act_again_every{500};

std::string new_key() {
  std::random_device random;
  std::ostringstream key;
  key << "rollbackctl-" << std::hex << std::setfill('0');
  for (int i = 0; i < 4; ++i) {
    key << std::setw(8) << random();
  }
  return key.str();
}

std::string error_of(const Reply& reply) {
  return text_of(engine::foreign_json(reply.body), "error");
}

bool is_under_way(const Reply& reply) {
  return reply.status == 409 && error_of(reply) == "Request under way";
}

// Whether the request may have done, or be doing, what this answer does not tell. A daemon that
// does not lead has done nothing; 502 and 504 are of a proxy that lost the daemon's answer.
bool leaves_in_doubt(const Reply& reply) {
  return (reply.status == 0 && reply.in_doubt) || is_under_way(reply) || reply.status == 502 ||
         reply.status == 504 || (reply.status == 503 && error_of(reply) != "Not the leader");
}

// Whether another answer may come: also none, once one was lost with a daemon that restarts.
bool may_change(const Reply& reply, bool in_doubt) {
  return leaves_in_doubt(reply) || reply.status == 503 ||
         (in_doubt && (reply.status == 0 || reply.status == 429));
}

}  // namespace

Reply Client::act(std::string_view method, const std::string& path, const nlohmann::json& body,
                  std::chrono::seconds deadline, const std::string& prefer) {
  engine::HttpRequest request = request_of(method, path, body, deadline, prefer);
  request.headers.emplace_back("Idempotency-Key", new_key());
  Reply reply = ask(request);
  bool in_doubt = leaves_in_doubt(reply);
  if (!may_change(reply, in_doubt)) {
    return reply;
  }
  const std::string error = reply.status == 0 ? reply.error : error_of(reply);
  std::cerr << "rollbackctl: " << server() << " does not say what became of it ("
            << (error.empty() ? std::to_string(reply.status) : printable(error))
            << "); asking again for up to " << act_again_for.count()
            << " s, in such a way that it is done once\n";
  const engine::SteadyTime until = engine::steady_now() + act_again_for;
  for (auto waited = act_again_every;
       may_change(reply, in_doubt) && waited <= act_again_for && engine::steady_now() < until;
       waited += act_again_every) {
    wait(act_again_every);
    reply = ask(request);
    in_doubt = in_doubt || leaves_in_doubt(reply);
  }
  reply.in_doubt = in_doubt && may_change(reply, in_doubt);
  return reply;
}

bool was_done_before(const Reply& reply) {
  return reply.status == 409 && error_of(reply) == "Carried out before";
}

void Client::wait(std::chrono::milliseconds pause) { std::this_thread::sleep_for(pause); }

namespace {

// What a person can do about a violation, beside another deployment: some can be set aside.
void say_violations(const nlohmann::json& validation) {
  for (const auto& check : rows_of(validation, "checks")) {
    if (text_of(check, "outcome") != "violation") {
      continue;
    }
    const std::string name = text_of(check, "name");
    std::cerr << "  " << printable(name) << ": " << shown_of(check, "text") << '\n';
    const auto reason = rules::reason_named(name);
    if (reason && rules::may_be_overridden(*reason)) {
      std::cerr << "    With a token of the scope override: --override " << name
                << " --reason WHY sets it aside.\n";
    } else if (reason) {
      std::cerr << "    " << text_of(*reason).remedy << '\n';
    }
  }
}

void say_doubt(const Reply& reply) {
  if (reply.in_doubt) {
    std::cerr << "  It may have been done all the same: `rollbackctl status` and `rollbackctl "
                 "history` show it as soon as the daemon answers.\n";
  }
}

void say_what_was_said(const nlohmann::json& body) {
  const std::string error = text_of(body, "error");
  const std::string details = text_of(body, "details");
  std::cerr << "rollbackctl: " << printable(error) << '\n';
  if (error == "Paused") {
    const std::string by = text_of(body, "paused_by");
    std::cerr << "  by " << (by.empty() ? "somebody" : printable(by)) << " for "
              << age(text_of(body, "since")) << ": " << shown_of(body, "reason")
              << "\n  `rollbackctl resume` ends it for all; with a token of the scope override "
                 "--override paused rolls back through it.\n";
  } else if (!details.empty() && details != error) {
    std::cerr << "  " << printable(details) << '\n';
  }
  if (const std::string event = shown_of(body, "event_id"); !event.empty()) {
    std::cerr << "  rollbackctl show " << event << '\n';
  }
  say_violations(part(body, "validation"));
}

}  // namespace

int complain(const Client& client, const Reply& reply) {
  if (reply.status == 0) {
    std::cerr << "rollbackctl: no rollbackd answers at " << client.server() << ": "
              << printable(reply.error)
              << "\n  Is it running? Say where with --server or ROLLBACKD_SERVER.\n";
    say_doubt(reply);
    return exit_no_server;
  }
  const auto body = engine::foreign_json(reply.body);
  if (reply.is_good() || text_of(body, "error").empty()) {
    std::cerr << "rollbackctl: " << client.server() << " answers " << reply.status
              << ", not as rollbackd does\n  Is it rollbackd's address? Say where with --server or "
                 "ROLLBACKD_SERVER.\n";
    say_doubt(reply);
    return exit_no_server;
  }
  if (client.wants_json()) {
    std::cout << reply.body << '\n';
  }
  say_what_was_said(body);
  if (reply.status == 401 || (reply.status == 403 && !body.contains("validation"))) {
    std::cerr << "  The token comes from --token, ROLLBACKD_TOKEN or "
              << usual_config_file().string() << ".\n";
    return exit_no_server;
  }
  say_doubt(reply);
  if (reply.status == 503) {
    return exit_no_server;
  }
  if (is_under_way(reply)) {
    return exit_timed_out;
  }
  return reply.status == 403 || reply.status == 404 || reply.status == 409 ? exit_refused
                                                                           : exit_failed;
}

std::string url_part(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (is_plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4U];
      out += digits[byte & 15U];
    }
  }
  return out;
}

}  // namespace rollbackd::ctl
