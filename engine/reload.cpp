#include "engine/reload.hpp"

#include <algorithm>
#include <utility>

#include "engine/settings_values.hpp"

namespace rollbackd::engine {
namespace {

// The lengths in `wanted` that are not in `kept`, as text.
std::vector<std::string> others(const std::vector<rules::Second>& kept,
                                const std::vector<rules::Second>& wanted) {
  std::vector<std::string> found;
  for (const rules::Second length : wanted) {
    if (std::find(kept.begin(), kept.end(), length) == kept.end()) {
      found.push_back(duration_text(rules::seconds{length}));
    }
  }
  return found;
}

// What would have to be counted first, by key.
std::vector<std::string> new_windows(const rules::PolicyBook& started,
                                     const rules::PolicyBook& wanted) {
  std::vector<std::string> keys;
  for (const std::string& length : others(started.window_lengths(), wanted.window_lengths())) {
    keys.push_back("triggers.window or rollback.verify.window (" + length + " is new)");
  }
  for (const std::string& length :
       others(started.response_time_lengths(), wanted.response_time_lengths())) {
    keys.push_back("triggers.window of response_time_p95 (" + length + " is new)");
  }
  return keys;
}

void keep_decisions(const Settings& running, Settings& wanted) {
  wanted.policies = running.policies;
  wanted.execution = running.execution;
  wanted.environment_execution = running.environment_execution;
  wanted.service_execution = running.service_execution;
}

// A policy without what has a key of its own beside `rollback`.
rules::Policy rest_of(rules::Policy policy) {
  const rules::Policy usual;
  policy.mode = usual.mode;
  policy.probation = usual.probation;
  policy.blame_window = usual.blame_window;
  policy.triggers = usual.triggers;
  return policy;
}

// The book without what applies to everybody.
rules::PolicyBook environments_of(rules::PolicyBook book) {
  book.set_everybody({});
  return book;
}

// Who may give commands; where people are told has a key of its own.
DiscordSettings commands_of(DiscordSettings discord) {
  discord.webhook_url = {};
  return discord;
}

std::vector<std::string> differences(const Settings& a, const Settings& b) {
  // Does not compile when Settings gets a member: whether a reload takes it over, and who hands it
  // on, has to be decided here, in take_over() and in App.
  [[maybe_unused]] const auto& [database, http, doorbell, policies, discord, max_services,
                                retention, log, execution, environment_execution, service_execution,
                                secret_files] = a;
  const rules::Policy& here = a.policies.everybody();
  const rules::Policy& there = b.policies.everybody();
  const std::vector<std::pair<const char*, bool>> compared{
      {"http.tokens", a.http.tokens == b.http.tokens},
      {"mode", here.mode == there.mode},
      {"probation", here.probation == there.probation},
      {"blame_window", here.blame_window == there.blame_window},
      {"triggers", here.triggers == there.triggers},
      {"rollback", rest_of(here) == rest_of(there) && a.execution == b.execution},
      {"environments", environments_of(a.policies) == environments_of(b.policies) &&
                           a.environment_execution == b.environment_execution &&
                           a.service_execution == b.service_execution},
      {"notify.discord", a.discord.webhook_url == b.discord.webhook_url},
      {"discord", commands_of(a.discord) == commands_of(b.discord)},
      {"metrics", a.max_services == b.max_services},
      {"retention", a.retention == b.retention},
      {"log", a.log == b.log},
  };
  std::vector<std::string> keys;
  for (const auto& [key, is_same] : compared) {
    if (!is_same) {
      keys.emplace_back(key);
    }
  }
  return keys;
}

}  // namespace

Takeover take_over(const Settings& started, const Settings& running, Settings wanted) {
  std::vector<std::string> waiting;
  const auto stays = [&waiting](const char* key, const auto& was, auto& now) {
    if (!(was == now)) {
      waiting.emplace_back(key);
      now = was;
    }
  };
  // Where a password is in a file, it is read anew for each connection.
  if (!started.database.password_file.empty() &&
      started.database.password_file == wanted.database.password_file) {
    wanted.database.password = started.database.password;
  }
  stays("database", started.database, wanted.database);
  stays("http.listen", started.http.listen, wanted.http.listen);
  stays("http.rate_limit", started.http.rate_limit, wanted.http.rate_limit);
  stays("feed.doorbell", started.doorbell, wanted.doorbell);
  const auto windows = new_windows(started.policies, wanted.policies);
  if (!windows.empty()) {
    waiting.insert(waiting.end(), windows.begin(), windows.end());
    keep_decisions(running, wanted);
  }
  Takeover taken;
  taken.changed = differences(running, wanted);
  taken.needs_restart = std::move(waiting);
  taken.settings = std::move(wanted);
  return taken;
}

}  // namespace rollbackd::engine
