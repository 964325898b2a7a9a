#include "engine/terminal/json_parts.hpp"

#include <nlohmann/json.hpp>

#include "engine/foreign_json.hpp"
#include "engine/terminal/screen.hpp"

namespace rollbackd::terminal {
namespace {

using nlohmann::json;

const json* found_in(const json& object, const std::string& key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found == object.end() ? nullptr : &*found;
}

}  // namespace

std::string text_of(const json& object, const std::string& key) {
  return engine::text_in(object, key.c_str());
}

std::string shown_of(const json& object, const std::string& key) {
  return printable(text_of(object, key));
}

json part(const json& object, const std::string& key) {
  const json* found = found_in(object, key);
  return found == nullptr ? json{} : *found;
}

json rows_of(const json& object, const std::string& key) {
  const json* found = found_in(object, key);
  return found != nullptr && found->is_array() ? *found : json::array();
}

double number_of(const json& object, const std::string& key) {
  const json* found = found_in(object, key);
  return found != nullptr && found->is_number() ? found->get<double>() : 0;
}

bool is_true(const json& object, const std::string& key) {
  const json* found = found_in(object, key);
  return found != nullptr && found->is_boolean() && found->get<bool>();
}

}  // namespace rollbackd::terminal
