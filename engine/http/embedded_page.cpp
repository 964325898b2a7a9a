#include <algorithm>

#include "engine/http/embedded_pages.hpp"
#include "rules/invariant.hpp"

namespace rollbackd::engine {

std::string_view embedded_page(std::string_view name) {
  const auto pages = embedded_pages();
  const auto found = std::find_if(pages.begin(), pages.end(),
                                  [&](const EmbeddedFile& page) { return page.name == name; });
  INVARIANT(found != pages.end());
  return found->text;
}

}  // namespace rollbackd::engine
