#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/ports.hpp"
#include "rules/policy.hpp"

// What an operator may set (DESIGN.md section 7). A default-constructed Settings is what the daemon
// runs with when no file is given.
namespace rollbackd::engine {

// A text that must not be shown. It has no operator<< and no formatter, so logging one by mistake
// does not compile; reveal() is the only way to the text and easy to search for.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_{std::move(text)} {}

  [[nodiscard]] const std::string& reveal() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }

  friend bool operator==(const Secret&, const Secret&) = default;

 private:
  std::string text_;
};

struct DatabaseSettings {
  // As libpq reads it, key=value pairs or a URI; empty: libpq's own environment variables (PGHOST,
  // …).
  Secret conninfo;  // it may hold a password
  Secret password;
  // Where the password was read, and is read again when the connection has to be opened anew;
  // empty: it is in the configuration itself.
  std::filesystem::path password_file;

  friend bool operator==(const DatabaseSettings&, const DatabaseSettings&) = default;
};

// Where the daemon listens. The host is an IP address, or empty for all addresses; port 0: any free
// one.
struct ListenAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 9641;

  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

enum class Scope { read, record, rollback, override };

std::string_view name_of(Scope scope);

// Who may use the API. The token itself is known to its owner only.
struct HttpToken {
  std::string name;
  std::array<std::uint8_t, 32> sha256{};
  std::vector<Scope> scopes;

  [[nodiscard]] bool may(Scope scope) const;

  friend bool operator==(const HttpToken&, const HttpToken&) = default;
};

struct HttpSettings {
  ListenAddress listen;
  std::vector<HttpToken> tokens;
  // A second, of each token, and of each client's address what comes without a good one.
  int rate_limit = 1000;
};

enum class Doorbell { automatic, on, off };

struct CommandExecution {
  std::vector<std::string> argv;  // with placeholders; empty: none is configured
  rules::Duration timeout = rules::minutes{10};

  friend bool operator==(const CommandExecution&, const CommandExecution&) = default;
};

// Where the github executor finds the workflow that deploys, and how long it waits for it.
struct GithubSettings {
  std::string api_url = "https://api.github.com";  // without a slash at its end
  std::string repository;                          // owner/name; empty: none is configured
  std::string workflow = "rollback.yml";           // a file's name, or a number
  std::string ref = "main";
  Secret token;
  std::filesystem::path token_file;  // where it was read, and is read again for each request
  rules::Duration timeout = rules::minutes{15};  // from the claim to the run's end
  rules::Duration poll = rules::seconds{3};
  rules::Duration lookup = rules::seconds{60};  // for the run of a dispatch of unknown outcome

  friend bool operator==(const GithubSettings&, const GithubSettings&) = default;
};

struct WebhookSettings {
  Secret url;     // empty: none is configured; a path may be a secret
  Secret secret;  // whsec_ and base64
  rules::Duration timeout = rules::seconds{30};

  friend bool operator==(const WebhookSettings&, const WebhookSettings&) = default;
};

// How the executors and the verification act for one service. What the rules need to know of a
// service is in its rules::Policy.
struct ExecutionSettings {
  CommandExecution command;
  GithubSettings github;
  WebhookSettings webhook;
  std::string migration_role;  // runs the scripts of migrations; empty: they are not run
  std::string health_url;      // empty: none

  friend bool operator==(const ExecutionSettings&, const ExecutionSettings&) = default;
};

struct DiscordSettings {
  Secret webhook_url;  // of notify.discord; empty: nobody is notified

  // Of discord. Ids are digits, as Discord writes them.
  std::string api_url = "https://discord.com/api/v10";       // without a slash at its end
  std::optional<std::array<std::uint8_t, 32>> public_key{};  // nothing: no command is taken
  std::string application_id{};
  std::string guild_id{};
  std::vector<std::string> approver_roles{};
  std::vector<std::string> override_roles{};
  Secret bot_token{};  // only to register the commands

  friend bool operator==(const DiscordSettings&, const DiscordSettings&) = default;
};

// How long rows of ours are kept. People's logs, and what other programs wrote into the tables that
// we share with them, are never deleted.
struct RetentionSettings {
  rules::Duration roman_events = rules::minutes{400 * 24 * 60};
  rules::Duration response_times = rules::minutes{7 * 24 * 60};
  rules::Duration snapshots = rules::minutes{90 * 24 * 60};
  rules::Duration outbox = rules::minutes{30 * 24 * 60};  // after it was sent, or given up

  friend bool operator==(const RetentionSettings&, const RetentionSettings&) = default;
};

// journald: logfmt for the journal, which has the time of its own, with the priority in front.
enum class LogFormat { logfmt, json, journald };

struct LogSettings {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::logfmt;

  friend bool operator==(const LogSettings&, const LogSettings&) = default;
};

struct Settings {
  DatabaseSettings database;
  HttpSettings http;
  Doorbell doorbell = Doorbell::automatic;
  rules::PolicyBook policies;
  DiscordSettings discord;
  std::size_t max_services = 200;  // told about one by one in the metrics
  RetentionSettings retention;
  LogSettings log;

  // Each service's, where it or its environment has its own; everybody's in `execution`.
  ExecutionSettings execution;
  std::map<std::string, ExecutionSettings> environment_execution;
  std::map<rules::Service, ExecutionSettings> service_execution;

  std::vector<std::filesystem::path> secret_files;  // those that secrets were read from

  [[nodiscard]] const ExecutionSettings& execution_of(const rules::Service& service) const;
};

// One mistake and where it is, counted from 1. Line 0: it is about the file as a whole.
struct SettingsProblem {
  int line = 0;
  int column = 0;
  std::string text;  // what was found, what was expected; never a secret

  friend bool operator==(const SettingsProblem&, const SettingsProblem&) = default;
};

// The settings, or every mistake in the order of the file.
using LoadedSettings = std::variant<Settings, std::vector<SettingsProblem>>;

// Reads the file and the files of secrets that it names, a relative one from the folder of `file`.
LoadedSettings load_settings(const std::filesystem::path& file);

// Only what is in `discord` of the file: for who may not read the files of the other secrets.
std::variant<DiscordSettings, std::vector<SettingsProblem>> load_discord_settings(
    const std::filesystem::path& file);

// The same from text; `folder` is where relative names of secret files begin.
LoadedSettings read_settings(std::string_view yaml, const std::filesystem::path& folder = {});

// "file:line:column: text", as compilers write it.
std::string describe(const std::filesystem::path& file, const SettingsProblem& problem);

}  // namespace rollbackd::engine
