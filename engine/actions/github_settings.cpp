#include "engine/actions/github_settings.hpp"

#include <utility>

#include "engine/secret_file.hpp"

namespace rollbackd::engine {

Result<Secret> token_of(const GithubSettings& settings) {
  if (settings.token_file.empty()) {
    return settings.token;
  }
  auto text = read_secret_file(settings.token_file);
  if (!text) {
    return Error{
        "rollback.github.token_file " + settings.token_file.string() + ' ' + text.error().what,
        "expected " + text.error().remedy};
  }
  return Secret{std::move(*text)};
}

}  // namespace rollbackd::engine
