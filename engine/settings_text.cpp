#include "engine/settings_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "engine/settings_values.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::size_t hash_shown = 8;

// One setting: the keys that lead to it, and its value, of a list one line an element. A secret has
// no value that could be shown.
struct Entry {
  std::vector<std::string> path;
  std::vector<std::string> values;
  bool is_list = false;
  bool is_secret = false;

  friend bool operator==(const Entry&, const Entry&) = default;
};

class Entries {
 public:
  void add(std::vector<std::string> path, std::string value) {
    all_.push_back({std::move(path), {std::move(value)}});
  }
  void add_list(std::vector<std::string> path, std::vector<std::string> values) {
    all_.push_back({std::move(path), std::move(values), true});
  }
  // `text` tells two secrets apart and is not shown.
  void add_secret(std::vector<std::string> path, const Secret& secret) {
    if (!secret.empty()) {
      all_.push_back({std::move(path), {secret.reveal()}, false, true});
    }
  }
  [[nodiscard]] const std::vector<Entry>& all() const { return all_; }

 private:
  std::vector<Entry> all_;
};

std::string in_quotes(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out{"\""};
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < ' ' || byte == 0x7f) {
      out += {'\\', 'x', digits[byte >> 4U], digits[byte & 15U]};
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string hex_of(const std::uint8_t* bytes, std::size_t count) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    out += {digits[bytes[i] >> 4U], digits[bytes[i] & 15U]};
  }
  return out;
}

std::vector<std::string> all_in_quotes(const std::vector<std::string>& texts) {
  std::vector<std::string> quoted;
  std::transform(texts.begin(), texts.end(), std::back_inserter(quoted),
                 [](const std::string& text) { return in_quotes(text); });
  return quoted;
}

std::string exact(double number) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

std::string seconds_text(rules::Second seconds) { return duration_text(rules::seconds{seconds}); }

std::string trigger_text(const rules::Trigger& trigger) {
  const bool is_alert = trigger.signal == rules::Signal::alert;
  return "{name: " + in_quotes(trigger.name) + ", signal: " + std::string{name_of(trigger.signal)} +
         (is_alert ? ", alert: " + in_quotes(trigger.alert) : "") +
         ", window: " + (rules::is_shared(trigger.signal) ? "now" : seconds_text(trigger.window)) +
         ", above: " + exact(trigger.above) + ", for: " + duration_text(trigger.held_for) +
         ", action: " + (trigger.action == rules::TriggerAction::warn ? "warn" : "rollback") + "}";
}

void add_executors(const ExecutionSettings& execution, Entries& entries) {
  const CommandExecution& command = execution.command;
  if (!command.argv.empty()) {
    entries.add_list({"rollback", "command", "argv"}, all_in_quotes(command.argv));
  }
  entries.add({"rollback", "command", "timeout"}, duration_text(command.timeout));
  const GithubSettings& github = execution.github;
  entries.add({"rollback", "github", "api_url"}, in_quotes(github.api_url));
  if (!github.repository.empty()) {
    entries.add({"rollback", "github", "repository"}, in_quotes(github.repository));
  }
  entries.add({"rollback", "github", "workflow"}, in_quotes(github.workflow));
  entries.add({"rollback", "github", "ref"}, in_quotes(github.ref));
  if (!github.token_file.empty()) {
    entries.add({"rollback", "github", "token_file"}, in_quotes(github.token_file.string()));
  } else {
    entries.add_secret({"rollback", "github", "token"}, github.token);
  }
  entries.add({"rollback", "github", "timeout"}, duration_text(github.timeout));
  entries.add({"rollback", "github", "poll"}, duration_text(github.poll));
  entries.add({"rollback", "github", "lookup"}, duration_text(github.lookup));
  const WebhookSettings& webhook = execution.webhook;
  entries.add_secret({"rollback", "webhook", "url"}, webhook.url);
  entries.add_secret({"rollback", "webhook", "secret"}, webhook.secret);
  entries.add({"rollback", "webhook", "timeout"}, duration_text(webhook.timeout));
}

// What everybody, an environment and a service have alike.
Entries layer(const rules::Policy& policy, const ExecutionSettings& execution) {
  Entries entries;
  entries.add({"mode"}, std::string{rules::name_of(policy.mode)});
  entries.add({"probation"}, duration_text(policy.probation));
  entries.add({"blame_window"}, duration_text(policy.blame_window));
  std::vector<std::string> triggers;
  std::transform(policy.triggers.begin(), policy.triggers.end(), std::back_inserter(triggers),
                 trigger_text);
  entries.add_list({"triggers"}, std::move(triggers));
  entries.add({"rollback", "executor"}, policy.executor);
  add_executors(execution, entries);
  entries.add({"rollback", "verify", "window"}, seconds_text(policy.verify_window));
  entries.add({"rollback", "verify", "healthy_below"}, exact(policy.verify_healthy_below));
  entries.add({"rollback", "verify", "health_url"},
              execution.health_url.empty() ? "null" : in_quotes(execution.health_url));
  entries.add({"rollback", "confirm"}, duration_text(policy.confirm));
  entries.add({"rollback", "settle"}, duration_text(policy.settle));
  entries.add({"rollback", "cooldown"}, duration_text(policy.cooldown));
  entries.add({"rollback", "max_per_hour"}, std::to_string(policy.max_per_hour));
  entries.add({"rollback", "max_age"}, duration_text(policy.max_age));
  entries.add({"rollback", "ask_expires"}, duration_text(policy.ask_expires));
  entries.add({"rollback", "stale_after"}, duration_text(policy.stale_after));
  entries.add({"rollback", "migration_role"},
              execution.migration_role.empty() ? "null" : in_quotes(execution.migration_role));
  return entries;
}

void write_value(const Entry& entry, const std::string& indent, std::string& out) {
  const std::string& key = entry.path.back();
  if (entry.is_secret) {
    out += indent + "# " + key + ": set, not shown\n";
  } else if (!entry.is_list) {
    out += indent + key + ": " + entry.values.front() + "\n";
  } else if (entry.values.empty()) {
    out += indent + key + ": []\n";
  } else {
    out += indent + key + ":\n";
    for (const std::string& value : entry.values) {
      out += indent + "  - " + value + "\n";
    }
  }
}

// Entries with the same beginning of their paths stand together.
void write(const std::vector<Entry>& entries, std::size_t depth, std::string& out) {
  std::vector<std::string> open;
  for (const Entry& entry : entries) {
    const std::size_t sections = entry.path.size() - 1;
    std::size_t same = 0;
    while (same < std::min(open.size(), sections) && open[same] == entry.path[same]) {
      ++same;
    }
    open.resize(same);
    for (; same < sections; ++same) {
      out += std::string(2 * (depth + same), ' ') + entry.path[same] + ":\n";
      open.push_back(entry.path[same]);
    }
    write_value(entry, std::string(2 * (depth + sections), ' '), out);
  }
}

std::vector<Entry> differing(const Entries& own, const Entries& inherited) {
  std::vector<Entry> found;
  const auto& known = inherited.all();
  std::copy_if(own.all().begin(), own.all().end(), std::back_inserter(found),
               [&](const Entry& entry) {
                 return std::find(known.begin(), known.end(), entry) == known.end();
               });
  return found;
}

void write_inheriting(const std::string& name, const Entries& own, const Entries& inherited,
                      std::string& out) {
  const std::vector<Entry> entries = differing(own, inherited);
  out += "  " + in_quotes(name) + ":" + (entries.empty() ? " {}" : "") + "\n";
  write(entries, 2, out);
}

std::string host_and_port(const ListenAddress& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return in_quotes((is_v6 ? "[" + address.host + "]" : address.host) + ":" +
                   std::to_string(address.port));
}

Entries about_the_daemon(const Settings& settings, const std::string& conninfo) {
  Entries entries;
  entries.add({"database", "conninfo"}, in_quotes(conninfo));
  if (!settings.database.password_file.empty()) {
    entries.add({"database", "password_file"}, in_quotes(settings.database.password_file.string()));
  } else {
    entries.add_secret({"database", "password"}, settings.database.password);
  }
  entries.add({"http", "listen"}, host_and_port(settings.http.listen));
  entries.add({"http", "rate_limit"}, std::to_string(settings.http.rate_limit));
  return entries;
}

void write_tokens(const std::vector<HttpToken>& tokens, std::string& out) {
  for (const HttpToken& token : tokens) {
    const std::string hash = hex_of(token.sha256.data(), hash_shown / 2);
    std::string scopes;
    for (const Scope scope : token.scopes) {
      scopes += (scopes.empty() ? "" : ", ") + std::string{name_of(scope)};
    }
    out +=
        "  # token " + in_quotes(token.name) + ": sha256 " + hash + "…, scopes [" + scopes + "]\n";
  }
  out += tokens.empty() ? "  # no tokens: nobody may use the API\n" : "";
}

void add_discord(const DiscordSettings& discord, Entries& entries) {
  entries.add_secret({"notify", "discord", "webhook_url"}, discord.webhook_url);
  if (!discord.public_key) {
    return;
  }
  entries.add({"discord", "api_url"}, in_quotes(discord.api_url));
  entries.add({"discord", "public_key"},
              in_quotes(hex_of(discord.public_key->data(), discord.public_key->size())));
  entries.add({"discord", "application_id"}, in_quotes(discord.application_id));
  entries.add({"discord", "guild_id"}, in_quotes(discord.guild_id));
  entries.add_list({"discord", "approver_roles"}, all_in_quotes(discord.approver_roles));
  entries.add_list({"discord", "override_roles"}, all_in_quotes(discord.override_roles));
  entries.add_secret({"discord", "bot_token"}, discord.bot_token);
}

Entries about_the_rest(const Settings& settings) {
  constexpr std::array formats{"logfmt", "json", "journald"};
  constexpr std::array doorbells{"auto", "on", "off"};
  constexpr std::array levels{"debug", "info", "warning", "error"};
  Entries entries;
  entries.add({"feed", "doorbell"}, doorbells.at(static_cast<std::size_t>(settings.doorbell)));
  entries.add({"metrics", "max_services"}, std::to_string(settings.max_services));
  entries.add({"log", "level"}, levels.at(static_cast<std::size_t>(settings.log.level)));
  entries.add({"log", "format"}, formats.at(static_cast<std::size_t>(settings.log.format)));
  const RetentionSettings& kept = settings.retention;
  entries.add({"retention", "roman_events"}, duration_text(kept.roman_events));
  entries.add({"retention", "response_times"}, duration_text(kept.response_times));
  entries.add({"retention", "snapshots"}, duration_text(kept.snapshots));
  entries.add({"retention", "outbox"}, duration_text(kept.outbox));
  add_discord(settings.discord, entries);
  return entries;
}

}  // namespace

std::string settings_yaml(const Settings& settings, const std::string& conninfo) {
  std::string out;
  write(about_the_daemon(settings, conninfo).all(), 0, out);
  write_tokens(settings.http.tokens, out);
  // A service that nobody names has what everybody has.
  const Entries everybody = layer(settings.policies.of(rules::Service{}), settings.execution);
  write(everybody.all(), 0, out);
  if (!settings.environment_execution.empty() || !settings.service_execution.empty()) {
    out += "environments:\n";
  }
  std::map<std::string, Entries> environments;
  for (const auto& [name, execution] : settings.environment_execution) {
    Entries own = layer(settings.policies.of(rules::Service{name, ""}), execution);
    write_inheriting(name, own, everybody, out);
    environments.emplace(name, std::move(own));
  }
  for (const auto& [service, execution] : settings.service_execution) {
    const auto above = environments.find(service.environment);
    write_inheriting(service.environment + "/" + service.name,
                     layer(settings.policies.of(service), execution),
                     above == environments.end() ? everybody : above->second, out);
  }
  write(about_the_rest(settings).all(), 0, out);
  return out;
}

}  // namespace rollbackd::engine
