#include "engine/settings.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "engine/settings_discord.hpp"
#include "engine/settings_policy.hpp"
#include "engine/settings_reader.hpp"
#include "engine/settings_values.hpp"
#include "engine/utf8.hpp"
#include "rules/names.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::size_t file_max = 1024 * 1024;
constexpr int services_max = 10'000;
constexpr int rate_limit_max = 1'000'000;

constexpr auto scopes = rules::names_of<Scope>({{Scope::read, "read"},
                                                {Scope::record, "record"},
                                                {Scope::rollback, "rollback"},
                                                {Scope::override, "override"}});

void read_database(const Value& value, DatabaseSettings& database) {
  const Section section{value, {"conninfo", "password", "password_file"}};
  if (const Value* conninfo = section.find("conninfo")) {
    if (auto text = conninfo->text("a libpq connection string")) {
      database.conninfo = Secret{std::move(*text)};
    }
  }
  database.password = section.secret("password").value_or(Secret{});
  const Value* file = section.find("password_file");
  if (file != nullptr && !database.password.empty()) {
    database.password_file =
        file->source().folder / file->text("the path of a file").value_or(std::string{});
  }
}

std::vector<Scope> read_scopes(const Value& value) {
  std::vector<Scope> granted;
  const auto given = value.list("a list of read, record, rollback or override");
  if (given && given->empty()) {
    value.object("is empty", "at least one of read, record, rollback or override");
  }
  for (const Value& entry : given.value_or(std::vector<Value>{})) {
    const auto scope = entry.word<Scope>({{"read", Scope::read},
                                          {"record", Scope::record},
                                          {"rollback", Scope::rollback},
                                          {"override", Scope::override}});
    if (scope && std::find(granted.begin(), granted.end(), *scope) != granted.end()) {
      entry.object("is " + shown(name_of(*scope)) + " again", "each scope once");
    } else if (scope) {
      granted.push_back(*scope);
    }
  }
  return granted;
}

HttpToken read_token(const Value& value) {
  constexpr std::string_view a_name = "a name to know its user by";
  constexpr std::string_view a_hash =
      "the 64 hexadecimal digits of the token's SHA-256 (printf %s TOKEN | sha256sum)";
  const Section section{value, {"name", "sha256", "scopes"}};
  HttpToken token;
  if (const Value* name = section.find("name")) {
    token.name = name->text(a_name).value_or("");
  } else {
    value.object("has no name", a_name);
  }
  if (const Value* hash = section.find("sha256")) {
    if (const auto text = hash->text(a_hash)) {
      const auto bytes = sha256_named(*text);
      if (!bytes) {
        // It may be the token itself, so it is not shown.
        hash->object("is not 64 hexadecimal digits", a_hash);
      }
      token.sha256 = bytes.value_or(token.sha256);
    }
  } else {
    value.object("has no sha256", a_hash);
  }
  if (const Value* given = section.find("scopes")) {
    token.scopes = read_scopes(*given);
  } else {
    value.object("has no scopes", "scopes: a list of read, record, rollback or override");
  }
  return token;
}

void read_http(const Value& value, HttpSettings& http) {
  constexpr std::string_view an_address = "an IP address and a port such as 127.0.0.1:9641";
  const Section section{value, {"listen", "tokens", "rate_limit"}};
  if (const Value* listen = section.find("listen")) {
    if (const auto text = listen->text(an_address)) {
      const auto address = listen_address_named(*text);
      if (!address) {
        listen->object("is " + shown(*text), an_address);
      }
      http.listen = address.value_or(http.listen);
    }
  }
  if (const Value* limit = section.find("rate_limit")) {
    http.rate_limit = limit->whole_number(1, rate_limit_max).value_or(http.rate_limit);
  }
  const Value* tokens = section.find("tokens");
  if (tokens == nullptr) {
    return;
  }
  for (const Value& entry : tokens->list("a list of tokens").value_or(std::vector<Value>{})) {
    HttpToken token = read_token(entry);
    for (const HttpToken& other : http.tokens) {
      if (other.name == token.name && !token.name.empty()) {
        entry.object("has the name " + shown(token.name) + " of a token before it",
                     "a name of its own");
      }
      if (other.sha256 == token.sha256 && token.sha256 != HttpToken{}.sha256) {
        entry.object("has the sha256 of a token before it", "a token of its own");
      }
    }
    http.tokens.push_back(std::move(token));
  }
}

void read_log(const Value& value, LogSettings& log) {
  const Section section{value, {"level", "format"}};
  if (const Value* level = section.find("level")) {
    log.level = level
                    ->word<LogLevel>({{"debug", LogLevel::debug},
                                      {"info", LogLevel::info},
                                      {"warning", LogLevel::warning},
                                      {"error", LogLevel::error}})
                    .value_or(log.level);
  }
  if (const Value* format = section.find("format")) {
    log.format = format
                     ->word<LogFormat>({{"logfmt", LogFormat::logfmt},
                                        {"json", LogFormat::json},
                                        {"journald", LogFormat::journald}})
                     .value_or(log.format);
  }
}

// An hour is longer than anything that is still looked at.
void read_retention(const Value& value, RetentionSettings& retention) {
  constexpr DurationRange range{rules::minutes{60}, {}};
  const Section section{value, {"roman_events", "response_times", "snapshots", "outbox"}};
  const auto read = [&section, &range](std::string_view key, rules::Duration& into) {
    if (const Value* given = section.find(key)) {
      take(into, given->duration(range));
    }
  };
  read("roman_events", retention.roman_events);
  read("response_times", retention.response_times);
  read("snapshots", retention.snapshots);
  read("outbox", retention.outbox);
}

void read_metrics(const Value& value, std::size_t& max_services) {
  const Section section{value, {"max_services"}};
  if (const Value* given = section.find("max_services")) {
    if (const auto number = given->whole_number(0, services_max)) {
      max_services = static_cast<std::size_t>(*number);
    }
  }
}

const std::vector<std::string_view> top_keys{
    "database",     "http",     "mode",   "probation", "blame_window", "feed",      "triggers",
    "environments", "rollback", "notify", "discord",   "metrics",      "retention", "log"};

Settings read_file(const Value& whole) {
  const Section file{whole, top_keys};
  Settings settings;
  const auto read = [&file](std::string_view key, auto&& reader, auto& into) {
    if (const Value* given = file.find(key)) {
      reader(*given, into);
    }
  };
  read("database", read_database, settings.database);
  read("http", read_http, settings.http);
  read_policies(file, settings);
  read("notify", read_notify, settings.discord);
  read("discord", read_discord, settings.discord);
  read("metrics", read_metrics, settings.max_services);
  read("retention", read_retention, settings.retention);
  read("log", read_log, settings.log);
  if (const Value* feed = file.find("feed")) {
    const Section section{*feed, {"doorbell"}};
    if (const Value* doorbell = section.find("doorbell")) {
      settings.doorbell =
          doorbell
              ->word<Doorbell>(
                  {{"auto", Doorbell::automatic}, {"on", Doorbell::on}, {"off", Doorbell::off}})
              .value_or(settings.doorbell);
    }
  }
  settings.secret_files = whole.source().secret_files;
  return settings;
}

// A sequence that is none is taken byte by byte; a U+FFFD that somebody wrote has three.
bool is_utf8(std::string_view text) {
  constexpr char32_t replacement = 0xFFFD;
  while (!text.empty()) {
    const std::size_t before = text.size();
    if (take_code_point(text) == replacement && before - text.size() != 3) {
      return false;
    }
  }
  return true;
}

// Sees where a document begins, and nothing of what is in it.
class DocumentStart final : public YAML::EventHandler {
 public:
  std::optional<YAML::Mark> mark;

  void OnDocumentStart(const YAML::Mark& at) override { mark = at; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {}
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {}
  void OnMapEnd() override {}
};

// Where a second document begins. Not by YAML::LoadAll(), which never ends on some texts and takes
// all memory: its parser reports a document without taking anything of it.
std::optional<YAML::Mark> second_document(const std::string& yaml) {
  std::istringstream text{yaml};
  YAML::Parser parser{text};
  DocumentStart first;
  DocumentStart second;
  if (parser.HandleNextDocument(first)) {
    parser.HandleNextDocument(second);
  }
  return second.mark;
}

// The one document of the text; nothing when there is not exactly one, which is noted.
std::optional<YAML::Node> parse(std::string_view yaml, SourceFile& source) {
  if (yaml.size() > file_max || !is_utf8(yaml)) {
    source.problems.push_back({0, 0,
                               yaml.size() > file_max
                                   ? "larger than 1 MiB, expected a configuration"
                                   : "no UTF-8, expected YAML in UTF-8"});
    return std::nullopt;
  }
  try {
    const YAML::Node document = YAML::Load(std::string{yaml});
    if (document.IsNull()) {
      // A file cut off by accident must not turn everything back to the defaults.
      source.problems.push_back({0, 0,
                                 "no settings, expected at least one (for the defaults alone, "
                                 "give no file)"});
      return std::nullopt;
    }
    if (const auto second = second_document(std::string{yaml})) {
      source.note(*second, "a second YAML document, expected one");
    }
    return document;
  } catch (const YAML::Exception& error) {
    source.note(error.mark, "no YAML (" + readable(error.msg) + "), expected \"key: value\"");
    return std::nullopt;
  }
}

}  // namespace

std::string_view name_of(Scope scope) { return scopes.name_of(scope); }

bool HttpToken::may(Scope scope) const {
  return std::find(scopes.begin(), scopes.end(), scope) != scopes.end();
}

const ExecutionSettings& Settings::execution_of(const rules::Service& service) const {
  if (const auto own = service_execution.find(service); own != service_execution.end()) {
    return own->second;
  }
  const auto shared = environment_execution.find(service.environment);
  return shared == environment_execution.end() ? execution : shared->second;
}

namespace {

template <class Read>
auto read_text(std::string_view yaml, const std::filesystem::path& folder, Read read)
    -> std::variant<decltype(read(std::declval<const Value&>())), std::vector<SettingsProblem>> {
  SourceFile source{folder, {}};
  decltype(read(std::declval<const Value&>())) settings;
  if (const auto document = parse(yaml, source)) {
    settings = read(Value{*document, YAML::Mark{}, "", source});
  }
  if (source.problems.empty()) {
    return settings;
  }
  std::stable_sort(source.problems.begin(), source.problems.end(),
                   [](const auto& a, const auto& b) {
                     return std::pair{a.line, a.column} < std::pair{b.line, b.column};
                   });
  return std::move(source.problems);
}

std::variant<std::string, std::vector<SettingsProblem>> text_of(const std::filesystem::path& file) {
  errno = 0;
  std::ifstream in{file, std::ios::binary};
  std::string yaml(file_max + 1, '\0');
  in.read(yaml.data(), static_cast<std::streamsize>(yaml.size()));
  if (in.bad() || !in.is_open() || std::filesystem::is_directory(file)) {
    const std::string why = errno == 0 ? "it is no file" : std::strerror(errno);
    return std::vector<SettingsProblem>{
        {0, 0, "cannot be read (" + why + "), expected a YAML file"}};
  }
  yaml.resize(static_cast<std::size_t>(in.gcount()));
  return yaml;
}

DiscordSettings read_discord_alone(const Value& whole) {
  const Section file{whole, top_keys};
  DiscordSettings discord;
  if (const Value* given = file.find("discord")) {
    read_discord(*given, discord);
  }
  return discord;
}

}  // namespace

LoadedSettings read_settings(std::string_view yaml, const std::filesystem::path& folder) {
  return read_text(yaml, folder, read_file);
}

LoadedSettings load_settings(const std::filesystem::path& file) {
  auto text = text_of(file);
  if (auto* problems = std::get_if<std::vector<SettingsProblem>>(&text)) {
    return std::move(*problems);
  }
  return read_settings(std::get<std::string>(text), file.parent_path());
}

std::variant<DiscordSettings, std::vector<SettingsProblem>> load_discord_settings(
    const std::filesystem::path& file) {
  auto text = text_of(file);
  if (auto* problems = std::get_if<std::vector<SettingsProblem>>(&text)) {
    return std::move(*problems);
  }
  return read_text(std::get<std::string>(text), file.parent_path(), read_discord_alone);
}

std::string describe(const std::filesystem::path& file, const SettingsProblem& problem) {
  const std::string place =
      problem.line == 0 ? ""
                        : ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
  return file.string() + place + ": " + problem.text;
}

}  // namespace rollbackd::engine
