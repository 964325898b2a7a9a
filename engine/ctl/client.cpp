#include "engine/ctl/client.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

namespace rollbackd::ctl {
namespace {

constexpr const char* default_server = "http://127.0.0.1:9641";
constexpr std::chrono::seconds answer_deadline{30};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::filesystem::path usual_file() {
  if (const std::string home = environment("XDG_CONFIG_HOME"); !home.empty()) {
    return std::filesystem::path{home} / "rollbackctl.yaml";
  }
  return std::filesystem::path{environment("HOME")} / ".config" / "rollbackctl.yaml";
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

engine::Result<Access> access_of(const std::string& server_flag, const std::string& token_flag,
                                 const std::string& file_flag) {
  Access from_file;
  const std::filesystem::path file =
      file_flag.empty() ? usual_file() : std::filesystem::path{file_flag};
  std::error_code ignored;
  if (!file_flag.empty() || std::filesystem::exists(file, ignored)) {
    try {
      const YAML::Node node = YAML::LoadFile(file.string());
      for (const auto& pair : node) {
        const auto key = pair.first.as<std::string>();
        if (key == "server") {
          from_file.server = pair.second.as<std::string>();
        } else if (key == "token") {
          from_file.token = pair.second.as<std::string>();
        } else {
          return engine::Error{file.string() + ": unknown key \"" + key + "\"",
                               "expected server: and token:"};
        }
      }
    } catch (const YAML::Exception& error) {
      return engine::Error{file.string() + ": " + error.what(),
                           "expected two lines: server: http://… and token: …"};
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

Reply Client::get(const std::string& path) {
  engine::HttpRequest request;
  request.url = path;
  request.deadline = answer_deadline;
  return ask(std::move(request));
}

Reply Client::send(std::string_view method, const std::string& path, const nlohmann::json& body,
                   std::chrono::seconds deadline, const std::string& prefer) {
  engine::HttpRequest request;
  request.method = std::string{method};
  request.url = path;
  request.body = body.dump();
  request.headers.emplace_back("Content-Type", "application/json");
  if (!prefer.empty()) {
    request.headers.emplace_back("Prefer", prefer);
  }
  request.deadline = deadline;
  request.once = true;
  return ask(std::move(request));
}

int complain(const Client& client, const Reply& reply) {
  if (reply.status == 0) {
    std::cerr << "rollbackctl: no rollbackd answers at " << client.server() << ": " << reply.error
              << "\n  Is it running? Say where with --server or ROLLBACKD_SERVER.\n";
    return exit_no_server;
  }
  const auto body = nlohmann::json::parse(reply.body, nullptr, false);
  const bool is_ours = body.is_object() && body.contains("error");
  std::cerr << "rollbackctl: "
            << (is_ours ? body.value("error", "") : "status " + std::to_string(reply.status))
            << '\n';
  if (is_ours && body.contains("details") && body["details"].is_string()) {
    std::cerr << "  " << body.value("details", "") << '\n';
  }
  if (is_ours && body.contains("validation") && body["validation"].is_object()) {
    for (const auto& text : body["validation"].value("violations", nlohmann::json::array())) {
      std::cerr << "  " << (text.is_string() ? text.get<std::string>() : text.dump()) << '\n';
    }
  }
  if (reply.status == 401 || (reply.status == 403 && !body.contains("validation"))) {
    std::cerr << "  The token comes from --token, ROLLBACKD_TOKEN or ~/.config/rollbackctl.yaml.\n";
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
