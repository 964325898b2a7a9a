#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// What Discord is sent: JSON within its limits whatever the texts hold, and nobody is mentioned by
// anything in it.
namespace rollbackd::engine {

inline constexpr std::size_t content_max = 2000;     // of a message, in UTF-16 units
inline constexpr std::size_t choices_max = 25;       // of an autocompletion
inline constexpr std::size_t choice_text_max = 100;  // of its name and its value

struct Choice {
  std::string name;
  std::string value;
};

std::string pong_json();
// "rollbackd is thinking…": what it thought comes within 15 minutes, as an edit.
std::string deferred_json();
// A message that only who asked can see.
std::string notice_json(std::string_view content);
// A message for everybody.
std::string answer_json(std::string_view content);
// A value that is too long would be another one when cut, so such a choice is left out.
std::string choices_json(const std::vector<Choice>& choices);
// A message that is made or edited.
std::string message_json(std::string_view content);

}  // namespace rollbackd::engine
