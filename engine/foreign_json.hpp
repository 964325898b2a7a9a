#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace rollbackd::engine {

// The text with every number that is beyond a double as a text of its digits: PostgreSQL's jsonb
// holds such numbers, and libraries refuse the whole document for one. Other bytes stay.
std::string with_readable_numbers(std::string_view json_text);

// JSON that people have written into, perhaps through the database. Numbers beyond a double come
// as texts, and what is nested more than foreign_depth_max deep is left out: copying and printing
// recurse. Discarded (is_discarded()): it is no JSON. Json: nlohmann's, or his ordered one.
inline constexpr int foreign_depth_max = 500;

template <class Json = nlohmann::json>
Json foreign_json(std::string_view text) {
  const auto is_shallow = [](int depth, auto /*event*/, const auto& /*value*/) {
    return depth <= foreign_depth_max;
  };
  Json whole = Json::parse(text, is_shallow, false);
  return whole.is_discarded() ? Json::parse(with_readable_numbers(text), is_shallow, false) : whole;
}

// The text of a key; empty: there is none, or it is something else.
template <class Json>
std::string text_in(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_string() ? found->template get<std::string>()
                                                     : std::string{};
}

}  // namespace rollbackd::engine
