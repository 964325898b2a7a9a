#pragma once

#include <filesystem>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "engine/settings.hpp"
#include "rules/time.hpp"

// The strict layer between YAML and the settings. Every look at a value either gives it or notes a
// problem and gives nothing, so that one pass finds every mistake of a file.
namespace rollbackd::engine {

// "a, b or c"
std::string listed(const std::vector<std::string_view>& names);

// What reading one file needs to know and collects.
struct SourceFile {
  std::filesystem::path folder;  // where relative names of secret files begin
  std::vector<SettingsProblem> problems;
  std::vector<std::filesystem::path> secret_files{};  // those that were read

  void note(const YAML::Mark& mark, std::string text);
};

// The range a duration has to lie in; the greatest, when absent, is any.
struct DurationRange {
  rules::Duration least{0};
  std::optional<rules::Duration> greatest;
};

inline constexpr DurationRange from_a_second{rules::seconds{1}, {}};

// Keeps what is there when nothing was given, or something wrong.
template <class T, class Given>
void take(T& into, const std::optional<Given>& given) {
  if (given) {
    into = *given;
  }
}

// A word of a closed list.
template <class T>
struct Word {
  std::string_view name;
  T value;
};

// One value with its name for messages ("rollback.verify.window").
class Value {
 public:
  Value(const YAML::Node& node, YAML::Mark key, std::string name, SourceFile& source);

  // Where its key stands; in a list, where the list stands.
  [[nodiscard]] const YAML::Mark& key_mark() const { return key_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] SourceFile& source() const { return *source_; }
  [[nodiscard]] bool is_null() const { return !node_ || node_.IsNull(); }

  // Notes "<name> <found>, expected <expected>".
  void object(std::string_view found, std::string_view expected) const;

  // Any non-empty text. Notes never show it: it may be a secret.
  [[nodiscard]] std::optional<std::string> text(std::string_view expected) const;
  [[nodiscard]] std::optional<rules::Duration> duration(const DurationRange& range) const;
  [[nodiscard]] std::optional<rules::Second> whole_seconds(const DurationRange& range) const;
  [[nodiscard]] std::optional<double> number(double least, std::string_view expected) const;
  [[nodiscard]] std::optional<int> whole_number(int least, int greatest) const;
  [[nodiscard]] std::optional<std::string> url() const;

  // The elements of a list; nothing when it is none.
  [[nodiscard]] std::optional<std::vector<Value>> list(std::string_view expected) const;
  // The pairs of a map, each key once; a null is an empty map.
  [[nodiscard]] std::vector<std::pair<std::string, Value>> pairs() const;

  template <class T>
  [[nodiscard]] std::optional<T> word(std::initializer_list<Word<T>> words) const {
    std::vector<std::string_view> names;
    for (const Word<T>& known : words) {
      names.push_back(known.name);
    }
    const auto given = scalar(listed(names));
    if (!given) {
      return std::nullopt;
    }
    for (const Word<T>& known : words) {
      if (known.name == *given) {
        return known.value;
      }
    }
    object_to_word(*given, names);
    return std::nullopt;
  }

 private:
  [[nodiscard]] std::optional<std::string> scalar(std::string_view expected) const;
  void object_to_word(std::string_view given, const std::vector<std::string_view>& names) const;

  YAML::Node node_;
  YAML::Mark key_;
  YAML::Mark mark_;  // of the value, or of its key when there is no value
  std::string name_;
  SourceFile* source_;
};

// A map with a closed list of keys.
class Section {
 public:
  Section(const Value& value, const std::vector<std::string_view>& keys);

  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] bool is_empty() const { return values_.empty(); }
  // The place of the section itself, for what is missing in it.
  [[nodiscard]] const Value& whole() const { return whole_; }

  // A secret given as `key` or, in a file, as `key`_file. Nothing: it is not given, or wrong and
  // noted.
  [[nodiscard]] std::optional<Secret> secret(std::string_view key) const;

 private:
  Value whole_;
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace rollbackd::engine
