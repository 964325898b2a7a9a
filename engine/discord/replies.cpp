#include "engine/discord/replies.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "engine/utf8.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

// Discord's numbers for what is answered to an interaction.
constexpr int pong = 1;
constexpr int message = 4;
constexpr int deferred_message = 5;
constexpr int autocompletion = 8;
constexpr int only_for_who_asked = 64;

std::string dump(const json& body) {
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

json message_of(std::string_view content) {
  std::string text = plain_text(content);
  if (utf16_length(text) > content_max) {
    text = cut_end(text, content_max);
  }
  // Discord refuses a message of nothing.
  const bool is_blank = text.find_first_not_of(" \n\t") == std::string::npos;
  return {{"content", is_blank ? "…" : text}, {"allowed_mentions", {{"parse", json::array()}}}};
}

std::string one_line(std::string_view text) {
  std::string line = plain_text(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

}  // namespace

std::string pong_json() { return dump({{"type", pong}}); }

std::string deferred_json() { return dump({{"type", deferred_message}}); }

std::string notice_json(std::string_view content) {
  json data = message_of(content);
  data["flags"] = only_for_who_asked;
  return dump({{"type", message}, {"data", std::move(data)}});
}

std::string answer_json(std::string_view content) {
  return dump({{"type", message}, {"data", message_of(content)}});
}

std::string choices_json(const std::vector<Choice>& choices) {
  json all = json::array();
  for (const Choice& choice : choices) {
    const std::string value = one_line(choice.value);
    const std::string name = cut_end(one_line(choice.name), choice_text_max);
    if (all.size() < choices_max && value == choice.value && !value.empty() &&
        utf16_length(value) <= choice_text_max &&
        name.find_first_not_of(' ') != std::string::npos) {
      all.push_back({{"name", name}, {"value", value}});
    }
  }
  return dump({{"type", autocompletion}, {"data", {{"choices", std::move(all)}}}});
}

std::string message_json(std::string_view content) { return dump(message_of(content)); }

}  // namespace rollbackd::engine
