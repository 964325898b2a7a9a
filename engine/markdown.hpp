#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rollbackd::engine {

// `text`, which anybody may have written, so that Discord shows it as it is: plain text without
// blanks around it, Markdown escaped, links left whole, at most `units_max` UTF-16 units with the
// escapes and the "…" of a cut. REQUIRES: units_max > 0.
std::string escaped(std::string_view text, std::size_t units_max);

// The same on one line.
std::string escaped_line(std::string_view text, std::size_t units_max);

}  // namespace rollbackd::engine
