#include "engine/ctl/client.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <thread>

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include "engine/foreign_json.hpp"
#include "engine/secret_file.hpp"
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
  if (!access_.token.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + access_.token);
  }
  Reply reply;
  http_.send(std::move(request), [&reply](const engine::HttpOutcome& outcome) {
    if (outcome.response) {
      reply.status = outcome.response->status;
      reply.body = outcome.response->body;
    } else {
      reply.error = outcome.failure.what;
    }
  });
  reactor_.restart();
  reactor_.run();
  return reply;
}

Reply Client::get(const std::string& path, std::chrono::seconds deadline) {
  engine::HttpRequest request;
  request.url = path;
  request.deadline = deadline;
  return ask(std::move(request));
}

Reply Client::send(std::string_view method, const std::string& path, const nlohmann::json& body,
                   std::chrono::seconds deadline, const std::string& prefer) {
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
  return ask(std::move(request));
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
    return exit_no_server;
  }
  const auto body = engine::foreign_json(reply.body);
  if (reply.is_good() || text_of(body, "error").empty()) {
    std::cerr << "rollbackctl: " << client.server() << " answers " << reply.status
              << ", not as rollbackd does\n  Is it rollbackd's address? Say where with --server or "
                 "ROLLBACKD_SERVER.\n";
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
  if (reply.status == 503) {
    return exit_no_server;
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
