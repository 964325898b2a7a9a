// The configuration and this machine.

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/asio.hpp"
#include <nlohmann/json.hpp>

#include "engine/doctor/checks.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

constexpr mode_t others_may_read = S_IROTH;
constexpr mode_t others_may_write = S_IWOTH;

// Of a file that is there; 0 of one that is not.
mode_t mode_of(const std::filesystem::path& file) {
  struct stat about {};
  return ::stat(file.c_str(), &about) == 0 ? about.st_mode : 0;
}

std::string octal(mode_t mode) {
  std::string text;
  for (const unsigned shift : {6U, 3U, 0U}) {
    text += static_cast<char>('0' + (mode >> shift & 7U));
  }
  return text;
}

// Whether the configuration itself holds a secret, not the name of its file.
bool holds_secret(const Settings& settings) {
  const auto is_inline = [](const ExecutionSettings& execution) {
    return !execution.github.token.empty() && execution.github.token_file.empty();
  };
  bool found = !settings.database.password.empty() && settings.database.password_file.empty();
  found = found || settings.database.conninfo.reveal().find("password=") != std::string::npos;
  for (const Deploying& each : deploying(settings)) {
    found = found || is_inline(each.execution);
  }
  return found;
}

std::string url_host(const ListenAddress& address) {
  const std::string host = address.host.empty() || address.host == "0.0.0.0" ? "127.0.0.1"
                           : address.host == "::"                            ? "::1"
                                                                             : address.host;
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

std::string shown(const ListenAddress& address) {
  return (address.host.empty() ? "all addresses" : address.host) + ", port " +
         std::to_string(address.port);
}

bool is_loopback(const ListenAddress& address) {
  return address.host.starts_with("127.") || address.host == "::1";
}

// What /readyz of a daemon says there; nothing: no rollbackd answers.
std::optional<Finding> daemon_at(const ListenAddress& address) {
  HttpRequest request;
  request.url = "http://" + url_host(address) + ":" + std::to_string(address.port) + "/readyz";
  request.deadline = std::chrono::seconds{3};
  const HttpOutcome outcome = ask_and_wait(std::move(request));
  if (!outcome.response) {
    return std::nullopt;
  }
  const json body = json::parse(outcome.response->body, nullptr, false);
  if (!body.is_object() || !body.contains("ready") || !body.contains("role")) {
    return std::nullopt;
  }
  const std::string who =
      "a rollbackd answers at " + shown(address) + ", " + body.value("role", std::string{"?"});
  if (body.value("ready", false)) {
    return fine(who + ", ready");
  }
  std::string problems;
  const json parts = body.value("problems", json::object());
  for (const auto& [part, text] : parts.items()) {
    problems += "; " + part + ": " + (text.is_string() ? text.get<std::string>() : text.dump());
  }
  return warning(who + ", not ready" + problems, "the findings above, or its log, say why");
}

// What binding the port would meet; 0: nothing.
int bind_error(const ListenAddress& address) {
  boost::system::error_code error;
  asio::io_context reactor;
  asio::ip::tcp::acceptor acceptor{reactor};
  const auto ip = address.host.empty() ? asio::ip::address{asio::ip::address_v6::any()}
                                       : asio::ip::make_address(address.host, error);
  const asio::ip::tcp::endpoint endpoint{ip, address.port};
  acceptor.open(endpoint.protocol(), error);
  if (!error) {
    acceptor.set_option(asio::ip::tcp::acceptor::reuse_address{true}, error);
    acceptor.bind(endpoint, error);
  }
  if (!error) {
    acceptor.listen(1, error);
  }
  return error.value();
}

// The program that a name without a slash means, as execvp() finds it; empty: none.
std::filesystem::path program_at(const std::string& name) {
  if (name.find('/') != std::string::npos) {
    return name;
  }
  const char* path = std::getenv("PATH");
  std::string folders = path == nullptr ? "/usr/bin:/bin" : path;
  for (std::size_t from = 0; from <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', from), folders.size());
    const auto file = std::filesystem::path{folders.substr(from, end - from)} / name;
    if (::access(file.c_str(), X_OK) == 0 && S_ISREG(mode_of(file))) {
      return file;
    }
    from = end + 1;
  }
  return {};
}

Finding about_program(const std::string& name, const std::string& whose) {
  const std::filesystem::path file = program_at(name);
  const std::string what = "rollback.command.argv of " + whose + " is " + name;
  if (file.empty()) {
    return failed(what + ", which is in no folder of PATH",
                  "install it, or give its whole path; the daemon's PATH may be another one than "
                  "yours");
  }
  const mode_t mode = mode_of(file);
  if (mode == 0) {
    return failed(what + ": " + std::strerror(errno), "put the program there, or correct the path");
  }
  if (!S_ISREG(mode) || ::access(file.c_str(), X_OK) != 0) {
    return failed(
        what + (S_ISREG(mode) ? ", which this user may not execute" : ", which is no file"),
        "chmod +x " + file.string() + "; look at it as the daemon's user");
  }
  if ((mode & others_may_write) != 0) {
    return warning(what + ", which everybody may change (mode " + octal(mode) + ")",
                   "chmod o-w " + file.string());
  }
  return fine(what + ", executable (" + file.string() + ")");
}

}  // namespace

Findings check_configuration(Patient& patient) {
  if (patient.file.empty()) {
    return {
        warning("no --config: these are the defaults, and the PG* variables say where the "
                "database is",
                "give the daemon's: --config FILE")};
  }
  const mode_t mode = mode_of(patient.file);
  if ((mode & others_may_write) != 0) {
    return {failed(patient.file.string() + " may be changed by everybody (mode " + octal(mode) +
                       "): whoever changes it chooses what a rollback runs",
                   "chmod o-w " + patient.file.string())};
  }
  if ((mode & others_may_read) != 0 && holds_secret(patient.settings)) {
    return {warning(patient.file.string() + " holds a secret and everybody may read it (mode " +
                        octal(mode) + ")",
                    "chmod o-r it, or put the secret into a file of its own (password_file, "
                    "token_file)")};
  }
  return {fine(patient.file.string() + ": no mistakes found")};
}

Findings check_secrets(Patient& patient) {
  Findings found;
  for (const std::filesystem::path& file : patient.settings.secret_files) {
    const mode_t mode = mode_of(file);
    if ((mode & (others_may_read | others_may_write)) != 0) {
      found.push_back(warning(file.string() + " is open to everybody (mode " + octal(mode) + ")",
                              "chmod o= " + file.string()));
    } else {
      found.push_back(fine(file.string() + " is readable, and not by everybody"));
    }
  }
  if (found.empty()) {
    found.push_back(skipped("no secret comes from a file"));
  }
  return found;
}

Findings check_http(Patient& patient) {
  const ListenAddress& address = patient.settings.http.listen;
  Findings found;
  if (auto ours = daemon_at(address)) {
    found.push_back(std::move(*ours));
  } else if (const int error = bind_error(address); error == 0) {
    found.push_back(fine(shown(address) + " is free: no daemon runs there"));
  } else if (error == EADDRINUSE) {
    found.push_back(failed(shown(address) + " is taken by another program",
                           "end it (ss -ltnp names it), or choose another port in http.listen"));
  } else if (error == EACCES) {
    found.push_back(failed("this user may not listen on " + shown(address),
                           "choose a port of 1024 or more in http.listen"));
  } else {
    found.push_back(failed("nobody can listen on " + shown(address) + ": " + std::strerror(error),
                           "give http.listen an address of this machine"));
  }
  if (!is_loopback(address)) {
    found.push_back(
        warning("http.listen is not only for this machine, and tokens go over it in "
                "the clear",
                "put a proxy with TLS before it, or listen on 127.0.0.1"));
  }
  return found;
}

Findings check_tokens(Patient& patient) {
  const std::vector<HttpToken>& tokens = patient.settings.http.tokens;
  if (tokens.empty()) {
    return {warning("http.tokens is empty: nobody can steer it over the API or with rollbackctl",
                    "token=$(openssl rand -hex 32); printf %s \"$token\" | sha256sum, and the sum "
                    "into http.tokens")};
  }
  std::string names;
  for (const HttpToken& token : tokens) {
    names += (names.empty() ? "" : ", ") + token.name;
  }
  const bool can_roll_back = std::any_of(tokens.begin(), tokens.end(), [](const HttpToken& token) {
    return token.may(Scope::rollback);
  });
  if (!can_roll_back) {
    return {warning("of " + names +
                        " none has the scope rollback: no person can roll back, "
                        "approve, pause or resume",
                    "give one of http.tokens the scope rollback")};
  }
  return {fine(names)};
}

Findings check_command(Patient& patient) {
  Findings found;
  std::set<std::string> seen;
  for (const Deploying& each : deploying(patient.settings)) {
    if (each.policy.executor != "command") {
      continue;
    }
    const std::vector<std::string>& argv = each.execution.command.argv;
    if (!seen.insert(argv.empty() ? "" : argv.front()).second) {
      continue;
    }
    found.push_back(argv.empty()
                        ? warning("rollback.executor of " + each.whose +
                                      " is command, and rollback.command.argv is not given: no "
                                      "rollback can deploy anything",
                                  "set rollback.command.argv, or another executor")
                        : about_program(argv.front(), each.whose));
  }
  if (found.empty()) {
    found.push_back(skipped("nobody has the executor command"));
  }
  return found;
}

}  // namespace rollbackd::engine
