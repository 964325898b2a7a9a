#include "engine/http/status_page.hpp"

#include <doctest/doctest.h>

#include "engine/http/digest.hpp"

namespace rollbackd::engine {
namespace {

rules::ServiceView service(const std::string& name, rules::State state) {
  rules::ServiceView view;
  view.service = {"production", name};
  view.version = "v1";
  view.state = state;
  return view;
}

StatusFacts well() {
  StatusFacts facts;
  facts.readiness = {true, "leader", "db1:7/rollbackd", "listening", {}, {}};
  facts.has_windows = true;
  facts.is_complete = true;
  facts.services = {service("api", rules::State::healthy)};
  return facts;
}

bool holds(const std::string& page, std::string_view part) {
  return page.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("status page: a name is text, whatever it is") {
  StatusFacts facts = well();
  const std::string nasty = "<script>alert('\"&')</script>\x1b[31m\xff{{main}}";
  facts.services = {service(nasty, rules::State::healthy)};
  facts.services[0].service.environment = nasty;
  facts.services[0].version = nasty;
  facts.readiness = {false, "standby", nasty, nasty, {{nasty, nasty}}, {nasty}};
  const std::string page = status_page(facts);
  CHECK_FALSE(holds(page, "<script>alert"));
  CHECK_FALSE(holds(page, "\x1b"));
  CHECK_FALSE(holds(page, "\xff"));
  CHECK(holds(page, "&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;"));
}

TEST_CASE("status page: what stops the daemon from acting comes first, in the tab's title too") {
  CHECK(holds(status_page(well()), "<title>OK · rollbackd</title>"));
  CHECK(holds(status_page(well()), "All is well: 1 service is watched, none fires"));

  StatusFacts facts = well();
  facts.services.push_back(service("web", rules::State::firing));
  CHECK(holds(status_page(facts), "<title>1 FIRING · rollbackd</title>"));
  // The worst first, whatever its name.
  const std::string page = status_page(facts);
  CHECK(page.find(">web<") < page.find(">api<"));

  facts.breakers_open = 1;
  CHECK(holds(status_page(facts), "<title>BREAKER OPEN · rollbackd</title>"));
  facts.paused = true;
  CHECK(holds(status_page(facts), "<title>PAUSED · rollbackd</title>"));
  facts.readiness.ready = false;
  facts.readiness.problems = {{"database", "no connection; start it"}};
  CHECK(holds(status_page(facts), "<title>NOT READY · rollbackd</title>"));
  CHECK(holds(status_page(facts), "<b>database</b>: no connection; start it"));

  StatusFacts standby = well();
  standby.readiness.role = "standby";
  CHECK(holds(status_page(standby), "<title>STANDBY · rollbackd</title>"));
  CHECK(holds(status_page(standby), "db1:7/rollbackd"));

  StatusFacts starting = well();
  starting.has_windows = false;
  CHECK(holds(status_page(starting), "as of not yet"));
}

TEST_CASE("status page: of very many services the quiet ones are only counted") {
  StatusFacts facts = well();
  for (std::size_t i = 0; i < StatusFacts::services_max; ++i) {
    facts.services.push_back(service("s" + std::to_string(i), rules::State::watched));
  }
  const std::string page = status_page(facts);
  CHECK(holds(page, "And 1 more, all quieter than these."));
  CHECK_FALSE(holds(page, ">api<"));
}

TEST_CASE("status page: its policy allows its own style and script, by their hashes, and no more") {
  const std::string page = status_page(well());
  const auto inside = [&](std::string_view open, std::string_view close) {
    const std::size_t begin = page.find(open) + open.size();
    return "'sha256-" + sha256_base64(page.substr(begin, page.find(close, begin) - begin)) + "'";
  };
  const std::string& policy = status_page_policy();
  CHECK(policy.starts_with("default-src 'none';"));
  CHECK(holds(policy, "style-src " + inside("<style>", "</style>")));
  CHECK(holds(policy, "script-src " + inside("<script>", "</script>")));
  CHECK_FALSE(holds(policy, "unsafe"));
  // Nothing from elsewhere, and no style or handler that the policy would not allow.
  for (const char* never : {"http:", "https:", " style=", " onclick=", " src="}) {
    const std::size_t at = page.find(never);
    CAPTURE(never);
    CHECK((at == std::string::npos || page.substr(at).starts_with("http://www.w3.org/2000/svg")));
  }
}

}  // namespace rollbackd::engine
