// Single values as people write them: durations, numbers, addresses, URLs, ids. What is printed is
// read back as the same.

#include <cmath>

#include "engine/outgoing/url.hpp"
#include "engine/settings_values.hpp"
#include "engine/utf8.hpp"
#include "rules/ids.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/promises.hpp"

namespace rollbackd::fuzz {
namespace {

void look_at_durations(std::string_view input) {
  if (const auto duration = engine::duration_named(input)) {
    INVARIANT(*duration >= rules::Duration{} && *duration <= std::chrono::days{3650});
    INVARIANT(engine::duration_named(engine::duration_text(*duration)) == duration);
  } else if (const std::string meant = engine::duration_meant(input); !meant.empty()) {
    INVARIANT(meant != input);
  }
}

void look_at_urls(std::string_view input) {
  const std::string text{input};
  const auto url = engine::parse_url(text);
  if (!url) {
    return;
  }
  INVARIANT(url->origin.find('@') == std::string::npos);
  INVARIANT(url->is_https == url->origin.starts_with("https://"));
  // Whoever asks it again asks the same server.
  const auto again = engine::parse_url(url->origin + url->path);
  INVARIANT(again && again->origin == url->origin && again->is_https == url->is_https);
}

void run(std::string_view input) {
  look_at_durations(input);
  look_at_urls(input);
  engine::objection_to_url(input);
  if (const auto number = engine::number_named(input)) {
    INVARIANT(std::isfinite(*number));
  }
  if (const auto address = engine::listen_address_named(input)) {
    const bool is_v6 = address->host.find(':') != std::string::npos;
    const std::string host = is_v6 ? '[' + address->host + ']' : address->host;
    INVARIANT(engine::listen_address_named(host + ':' + std::to_string(address->port)) == address);
  }
  if (const auto id = rules::DeploymentId::parse(input)) {
    INVARIANT(rules::DeploymentId::parse(id->text()) == id);
  }
  for (const std::string_view placeholder : engine::placeholders_in(input)) {
    INVARIANT(!placeholder.empty() && input.find(placeholder) != std::string_view::npos);
  }
  engine::closest(input, {"deployment_id", "version", "ms"});
  INVARIANT(is_one_line(engine::shown(input)));
}

const Registered target{{"values", run}};

}  // namespace
}  // namespace rollbackd::fuzz
