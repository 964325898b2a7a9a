#include "engine/settings_reader.hpp"

#include <algorithm>
#include <iterator>

#include "engine/secret_file.hpp"
#include "engine/settings_values.hpp"

namespace rollbackd::engine {
namespace {

constexpr std::string_view a_duration = "a duration such as 250ms, 60s, 5m, 1h or 400d";
constexpr std::string_view a_url = "an https URL (plain http only to this machine)";

std::string_view kind_of(const YAML::Node& node) {
  if (node.IsMap()) {
    return "is a mapping";
  }
  if (node.IsSequence()) {
    return "is a list";
  }
  return node.IsScalar() ? "is a single value" : "is empty";
}

std::string meant(std::string_view suggestion) {
  return suggestion.empty() ? "" : "; did you mean " + shown(suggestion) + "?";
}

std::string range_text(const DurationRange& range) {
  return range.greatest ? duration_text(range.least) + " to " + duration_text(*range.greatest)
                        : "at least " + duration_text(range.least);
}

// The one line of the file of a secret, or nothing and a note that names the path.
std::optional<Secret> read_secret(const Value& named) {
  constexpr std::string_view expected = "the path of a file that holds the secret";
  const auto path = named.text(expected);
  if (!path) {
    return std::nullopt;
  }
  auto secret = read_secret_file(named.source().folder / *path);
  if (!secret) {
    named.object("names " + shown(*path) + ", which " + secret.error().what, secret.error().remedy);
    return std::nullopt;
  }
  std::vector<std::filesystem::path>& files = named.source().secret_files;
  const std::filesystem::path file = named.source().folder / *path;
  if (std::find(files.begin(), files.end(), file) == files.end()) {
    files.push_back(file);
  }
  return Secret{std::move(*secret)};
}

}  // namespace

void SourceFile::note(const YAML::Mark& mark, std::string text) {
  problems.push_back({mark.line + 1, mark.column + 1, std::move(text)});
}

std::string listed(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += i == 0 ? "" : (i + 1 == names.size() ? " or " : ", ");
    text += names[i];
  }
  return text;
}

Value::Value(const YAML::Node& node, YAML::Mark key, std::string name, SourceFile& source)
    : node_{node},
      key_{key},
      mark_{is_null() ? key : node_.Mark()},
      name_{std::move(name)},
      source_{&source} {}

void Value::object(std::string_view found, std::string_view expected) const {
  source_->note(mark_, (name_.empty() ? "the file" : name_) + " " + std::string{found} +
                           ", expected " + std::string{expected});
}

std::optional<std::string> Value::scalar(std::string_view expected) const {
  if (is_null() || !node_.IsScalar()) {
    object(kind_of(node_), expected);
    return std::nullopt;
  }
  return node_.Scalar();
}

std::optional<std::string> Value::text(std::string_view expected) const {
  auto given = scalar(expected);
  if (given && given->empty()) {
    object("is empty", expected);
    return std::nullopt;
  }
  return given;
}

std::optional<rules::Duration> Value::duration(const DurationRange& range) const {
  const auto given = text(a_duration);
  if (!given) {
    return std::nullopt;
  }
  const auto duration = duration_named(*given);
  if (!duration) {
    const bool bare = is_bare_number(*given);
    object(bare ? "is " + *given + " without a unit" : "is " + shown(*given),
           std::string{a_duration} + meant(duration_meant(*given)));
    return std::nullopt;
  }
  if (*duration < range.least || (range.greatest && *duration > *range.greatest)) {
    object("is " + *given, range_text(range));
    return std::nullopt;
  }
  return duration;
}

std::optional<rules::Second> Value::whole_seconds(const DurationRange& range) const {
  const auto given = duration(range);
  if (!given) {
    return std::nullopt;
  }
  const auto whole = std::chrono::floor<rules::seconds>(*given);
  if (whole != *given) {
    object("is " + node_.Scalar(), "whole seconds");
    return std::nullopt;
  }
  return whole.count();
}

std::optional<double> Value::number(double least, std::string_view expected) const {
  const auto given = text(expected);
  if (!given) {
    return std::nullopt;
  }
  const auto number = number_named(*given);
  if (!number || *number < least) {
    object("is " + shown(*given), expected);
    return std::nullopt;
  }
  return number;
}

std::optional<int> Value::whole_number(int least, int greatest) const {
  const std::string expected =
      "a whole number from " + std::to_string(least) + " to " + std::to_string(greatest);
  const auto given = number(least, expected);
  if (!given) {
    return std::nullopt;
  }
  const int whole = *given <= greatest ? static_cast<int>(*given) : greatest + 1;
  if (whole > greatest || whole != *given) {
    object("is " + shown(node_.Scalar()), expected);
    return std::nullopt;
  }
  return whole;
}

std::optional<std::string> Value::url() const {
  auto given = text(a_url);
  if (!given) {
    return std::nullopt;
  }
  if (const auto objection = objection_to_url(*given); !objection.empty()) {
    object(objection, a_url);
    return std::nullopt;
  }
  return given;
}

std::optional<std::vector<Value>> Value::list(std::string_view expected) const {
  if (is_null() || !node_.IsSequence()) {
    object(kind_of(node_), expected);
    return std::nullopt;
  }
  std::vector<Value> elements;
  for (const YAML::Node& node : node_) {
    const std::string place = name_ + "[" + std::to_string(elements.size()) + "]";
    elements.emplace_back(node, mark_, place, *source_);
  }
  return elements;
}

std::vector<std::pair<std::string, Value>> Value::pairs() const {
  std::vector<std::pair<std::string, Value>> found;
  if (is_null()) {
    return found;
  }
  if (!node_.IsMap()) {
    object(kind_of(node_), "keys and values");
    return found;
  }
  std::map<std::string, int> lines;
  for (const auto& pair : node_) {
    const YAML::Mark mark = pair.first.Mark();
    if (!pair.first.IsScalar()) {
      source_->note(mark, "a key that is no text, expected a name");
      continue;
    }
    const std::string key = pair.first.Scalar();
    const auto [first, is_new] = lines.emplace(key, mark.line + 1);
    if (!is_new) {
      source_->note(mark, "duplicate key " + shown(key) + ", expected it once (it is in line " +
                              std::to_string(first->second) + ")");
      continue;
    }
    const std::string place = (name_.empty() ? "" : name_ + ".") + readable(key);
    found.emplace_back(key, Value{pair.second, mark, place, *source_});
  }
  return found;
}

void Value::object_to_word(std::string_view given,
                           const std::vector<std::string_view>& names) const {
  object("is " + shown(given), listed(names) + meant(closest(given, names)));
}

Section::Section(const Value& value, const std::vector<std::string_view>& keys) : whole_{value} {
  for (auto& [key, entry] : value.pairs()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
      values_.emplace(key, entry);
    } else {
      value.source().note(entry.key_mark(),
                          "unknown key " + shown(key) +
                              (value.name().empty() ? "" : " in " + value.name()) + ", expected " +
                              listed(keys) + meant(closest(key, keys)));
    }
  }
}

const Value* Section::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

std::optional<Secret> Section::secret(std::string_view key) const {
  const std::string file_key = std::string{key} + "_file";
  const Value* given = find(key);
  const Value* in_file = find(file_key);
  if (given != nullptr && in_file != nullptr) {
    in_file->object("is given beside " + std::string{key}, "one of the two");
    return std::nullopt;
  }
  if (in_file != nullptr) {
    return read_secret(*in_file);
  }
  if (given == nullptr) {
    return std::nullopt;
  }
  auto text = given->text("the secret itself, or its file as " + file_key);
  return text ? std::optional{Secret{std::move(*text)}} : std::nullopt;
}

}  // namespace rollbackd::engine
