#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <doctest/doctest.h>

#include "engine/reload.hpp"
#include "engine/settings.hpp"
#include "engine/settings_reader.hpp"
#include "engine/settings_values.hpp"

// The table of keys in config/README.md is what the code reads.
namespace rollbackd::engine {
namespace {

struct Row {
  std::string key;  // rollback.verify.window; triggers[].name in a list
  std::string takes;
  std::string fallback;  // the default
  std::string least;
  std::string most;
};

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  for (std::size_t at = line.find('|'); at != std::string::npos;) {
    const std::size_t end = line.find('|', at + 1);
    if (end != std::string::npos) {
      std::string cell = line.substr(at + 1, end - at - 1);
      std::erase(cell, '`');
      const std::size_t from = cell.find_first_not_of(' ');
      const std::size_t to = cell.find_last_not_of(' ');
      cells.push_back(from == std::string::npos ? "" : cell.substr(from, to - from + 1));
    }
    at = end;
  }
  return cells;
}

std::string in_one_line(const std::filesystem::path& document) {
  std::ifstream in{std::filesystem::path{ROLLBACKD_SOURCE_DIR} / document};
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::vector<Row> documented() {
  std::ifstream in{std::filesystem::path{ROLLBACKD_SOURCE_DIR} / "config" / "README.md"};
  std::vector<Row> rows;
  for (std::string line; std::getline(in, line);) {
    const auto cells = cells_of(line);
    if (cells.size() == 6 && line.starts_with("| `")) {
      rows.push_back({cells[0], cells[1], cells[2], cells[3], cells[4]});
    }
  }
  return rows;
}

// "a.b[].c" and a value: {a: {b: [{c: value}]}}
std::string yaml(const std::string& path, const std::string& value) {
  const std::size_t dot = path.find('.');
  std::string first = path.substr(0, dot);
  const std::string inner = dot == std::string::npos ? value : yaml(path.substr(dot + 1), value);
  if (first.ends_with("[]")) {
    first.resize(first.size() - 2);
    return "{" + first + ": [" + inner + "]}";
  }
  return "{" + first + ": " + inner + "}";
}

std::vector<std::string> problems_with(const std::string& text) {
  std::vector<std::string> texts;
  const LoadedSettings loaded = read_settings(text);
  if (const auto* problems = std::get_if<std::vector<SettingsProblem>>(&loaded)) {
    for (const SettingsProblem& problem : *problems) {
      texts.push_back(problem.text);
    }
  }
  return texts;
}

// A file that says this of one key, and else nothing that is missing.
std::string file_with(const Row& row, const std::string& value) {
  std::string text = yaml(row.key, "\"" + value + "\"");
  const std::string rollback = "{rollback: {";
  const std::string discord = "{discord: {";
  if (text.starts_with(rollback) && row.key != "rollback.executor") {
    text.insert(rollback.size(), "executor: command, ");
  } else if (text.starts_with(discord)) {
    text.insert(discord.size(), "public_key: " + std::string(64, 'a') +
                                    ", application_id: '12345678901234567',"
                                    " guild_id: '12345678901234567',"
                                    " approver_roles: ['12345678901234567'], ");
  }
  return text;
}

bool is_accepted(const Row& row, const std::string& value) {
  return problems_with(file_with(row, value)).empty();
}

// What the reader itself says it knows there.
std::set<std::string> keys_known_in(const std::string& section) {
  const std::string nothing = section.empty() ? "zzzzzz" : section + ".zzzzzz";
  for (const std::string& text : problems_with(yaml(nothing, "1"))) {
    const std::size_t from = text.find(", expected ");
    if (text.starts_with("unknown key \"zzzzzz\"") && from != std::string::npos) {
      std::string listed = text.substr(from + 11);
      for (std::size_t at = listed.find(" or "); at != std::string::npos;
           at = listed.find(" or ")) {
        listed.replace(at, 4, ", ");
      }
      std::set<std::string> keys;
      for (std::size_t at = 0; at < listed.size();) {
        const std::size_t end = std::min(listed.find(", ", at), listed.size());
        keys.insert(listed.substr(at, end - at));
        at = end + 2;
      }
      return keys;
    }
  }
  return {};
}

std::string beyond(const Row& row, const std::string& limit, int direction) {
  if (row.takes != "duration") {
    return std::to_string(std::stoi(limit) + direction);
  }
  const auto duration = *duration_named(limit) + rules::seconds{direction};
  return duration < rules::Duration{0} ? "" : duration_text(duration);
}

TEST_CASE("settings, documented: every key that the code reads is in the table, and no other") {
  std::map<std::string, std::set<std::string>> sections;
  std::set<std::string> once;
  for (const Row& row : documented()) {
    CHECK_MESSAGE(once.insert(row.key).second, row.key << " is there twice");
    std::string path = row.key;
    for (std::size_t dot = path.rfind('.'); !path.empty(); dot = path.rfind('.')) {
      const bool is_top = dot == std::string::npos;
      const std::string name = is_top ? path : path.substr(dot + 1);
      sections[is_top ? "" : path.substr(0, dot)].insert(name.substr(0, name.find('[')));
      path = is_top ? "" : path.substr(0, dot);
    }
  }
  CHECK(sections.size() >= 12);
  for (const auto& [section, keys] : sections) {
    CHECK_MESSAGE(keys == keys_known_in(section), section);
  }
}

TEST_CASE(
    "settings, documented: a default that is written down is the one that counts without it") {
  int compared = 0;
  for (const Row& row : documented()) {
    const bool is_value = row.takes == "duration" || row.takes == "number" || row.takes == "word" ||
                          row.takes == "address" || row.takes == "URL";
    if (!is_value || row.fallback == "none" || row.key.find('[') != std::string::npos) {
      continue;
    }
    const LoadedSettings loaded = read_settings(file_with(row, row.fallback));
    REQUIRE_MESSAGE(std::holds_alternative<Settings>(loaded), row.key);
    const auto& settings = std::get<Settings>(loaded);
    const Settings usual;
    const rules::Service any{"production", "app"};
    CHECK_MESSAGE(settings.policies.of(any) == usual.policies.of(any), row.key);
    CHECK_MESSAGE(settings.execution == usual.execution, row.key);
    CHECK_MESSAGE(settings.http.listen == usual.http.listen, row.key);
    CHECK_MESSAGE(settings.doorbell == usual.doorbell, row.key);
    CHECK_MESSAGE(settings.max_services == usual.max_services, row.key);
    CHECK_MESSAGE(settings.http.rate_limit == usual.http.rate_limit, row.key);
    CHECK_MESSAGE(settings.retention == usual.retention, row.key);
    CHECK_MESSAGE(settings.discord.api_url == usual.discord.api_url, row.key);
    CHECK_MESSAGE(settings.log.level == usual.log.level, row.key);
    CHECK_MESSAGE(settings.log.format == usual.log.format, row.key);
    ++compared;
  }
  CHECK(compared >= 25);
}

TEST_CASE("settings, documented: limits are where the table says") {
  int limits = 0;
  for (const Row& row : documented()) {
    if (!row.least.empty()) {
      CHECK_MESSAGE(is_accepted(row, row.least), row.key << " at least " << row.least);
      const std::string less = beyond(row, row.least, -1);
      CHECK_MESSAGE((less.empty() || !is_accepted(row, less)), row.key << " " << less);
      ++limits;
    }
    if (!row.most.empty()) {
      CHECK_MESSAGE(is_accepted(row, row.most), row.key << " at most " << row.most);
      const std::string more = beyond(row, row.most, 1);
      CHECK_MESSAGE(!is_accepted(row, more), row.key << " " << more);
      ++limits;
    }
    const bool has_any =
        row.takes == "duration" && row.least.empty() && row.key.find('[') == std::string::npos;
    CHECK_FALSE_MESSAGE(has_any, row.key << " is a duration without a least one");
  }
  CHECK(limits >= 20);
}

TEST_CASE("settings, documented: what waits for a restart is what the texts say") {
  const LoadedSettings wanted = read_settings(
      "database: {conninfo: host=/elsewhere}\nhttp: {listen: ':1', rate_limit: 1}\n"
      "feed: {doorbell: off}\ntriggers: [{name: e, signal: errors, window: 120s, above: 5}]\n"
      "mode: ask\nprobation: 1m\nblame_window: 1m\nrollback: {cooldown: 1m}\n"
      "environments: {staging: {mode: shadow}}\n");
  REQUIRE(std::holds_alternative<Settings>(wanted));
  const Settings running;
  const Takeover taken = take_over(running, running, std::get<Settings>(wanted));
  std::string keys;
  for (const std::string& waiting : taken.needs_restart) {
    if (waiting.find("is new") == std::string::npos) {
      keys += "`" + waiting + "`, ";
    }
  }
  CHECK(taken.needs_restart.size() > 3);
  CHECK(taken.changed.empty());
  const std::string sentence = keys + "and a window of a new length";
  CAPTURE(sentence);
  CHECK(in_one_line("README.md").find(sentence) != std::string::npos);
  CHECK(in_one_line("config/README.md").find(sentence) != std::string::npos);
}

}  // namespace
}  // namespace rollbackd::engine
