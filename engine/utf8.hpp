#pragma once

#include <cstddef>
#include <string>
#include <string_view>

// Text from outside (a command's output, a row, an answer) on its way to people: never trusted to
// be UTF-8, never allowed to steer a terminal or a log.
namespace rollbackd::engine {

// Takes the first code point off `text`; U+FFFD for a byte that is not part of valid UTF-8.
// REQUIRES: !text.empty().
char32_t take_code_point(std::string_view& text);

// REQUIRES: a code point, not a surrogate.
void append_code_point(std::string& to, char32_t code_point);

// As JavaScript and Discord count: two for what lies outside the basic plane.
std::size_t utf16_length(std::string_view text);

// Valid UTF-8 without control characters (also no NUL, which PostgreSQL refuses), terminal escape
// sequences and overrides of the writing direction. Line breaks of any kind become '\n'; tabs stay.
std::string plain_text(std::string_view bytes);

// At most `bytes_max` bytes from the beginning or the end, whole code points, with "…" for what is
// missing. REQUIRES: valid UTF-8, bytes_max >= 3.
std::string cut_end(std::string_view text, std::size_t bytes_max);
std::string cut_start(std::string_view text, std::size_t bytes_max);

}  // namespace rollbackd::engine
