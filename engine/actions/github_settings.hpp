#pragma once

#include <filesystem>
#include <string>

#include "engine/result.hpp"
#include "engine/settings.hpp"
#include "rules/time.hpp"

namespace rollbackd::engine {

// Where the github executor finds the workflow that deploys, and how long it waits for it.
struct GithubSettings {
  std::string api_url = "https://api.github.com";  // without a slash at its end
  std::string repository;                          // owner/name; empty: none is configured
  std::string workflow;                            // the name of its file, or its number
  std::string ref = "main";
  Secret token;
  std::filesystem::path token_file;  // read again for each request; empty: `token` is it
  rules::Duration timeout = rules::minutes{15};  // from the claim to the run's end
  rules::Duration poll = rules::seconds{3};
  rules::Duration lookup = rules::seconds{60};  // for the run of a dispatch of unknown outcome
};

// The token as it is at this moment.
Result<Secret> token_of(const GithubSettings& settings);

}  // namespace rollbackd::engine
