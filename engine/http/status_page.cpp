#include "engine/http/status_page.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include <fmt/format.h>

#include "engine/http/digest.hpp"
#include "engine/http/embedded_pages.hpp"
#include "engine/time_text.hpp"
#include "engine/utf8.hpp"
#include "engine/version.hpp"
#include "rules/value.hpp"

namespace rollbackd::engine {
namespace {

using rules::State;

// As in the metrics.
constexpr std::size_t name_bytes_max = 200;
constexpr std::size_t text_bytes_max = 1000;

std::string escaped(std::string_view text, std::size_t bytes_max = name_bytes_max) {
  std::string safe;
  for (const char c : cut_end(plain_text(text), bytes_max)) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

// How loud a state is: the loudest stand first. `word` is for people, with a sign for those who do
// not see the colour.
struct Look {
  State state;
  std::string_view colour;
  std::string_view word;
};

constexpr std::array looks{
    Look{State::firing, "bad", "▲ firing"},
    Look{State::rolling_back, "busy", "↺ rolling back"},
    Look{State::proposed, "warn", "? waits for a person"},
    Look{State::held, "warn", "‖ held"},
    Look{State::rejected, "bad", "✕ rollback rejected"},
    Look{State::watched, "warn", "! watched"},
    Look{State::rolled_back, "busy", "✓ rolled back"},
    Look{State::healthy, "good", "● healthy"},
};

std::size_t rank_of(State state) {
  return static_cast<std::size_t>(
      std::find_if(looks.begin(), looks.end(), [&](const Look& l) { return l.state == state; }) -
      looks.begin());
}

// REQUIRES: of a state of `looks`, which has all.
const Look& look_of(State state) { return looks.at(rank_of(state)); }

std::size_t count_of(const StatusFacts& facts, State state) {
  return static_cast<std::size_t>(
      std::count_if(facts.services.begin(), facts.services.end(),
                    [&](const rules::ServiceView& s) { return s.state == state; }));
}

// "1 service is", "2 services are".
std::string number_of(std::size_t n, std::string_view what) {
  return fmt::format("{} {}{} {}", n, what, n == 1 ? "" : "s", n == 1 ? "is" : "are");
}

// What has to be seen first, loudest first. `title` is for the browser's tab.
struct Banner {
  std::string_view colour;
  std::string title;
  std::string headline;
  std::string html;
};

Banner not_ready(const Readiness& readiness) {
  std::string list;
  for (const auto& [part, problem] : readiness.problems) {
    list +=
        fmt::format("<li><b>{}</b>: {}</li>\n", escaped(part), escaped(problem, text_bytes_max));
  }
  return {"alarm", "NOT READY", "NOT READY: this daemon is not doing its work",
          "<ul>\n" + list + "</ul>"};
}

std::vector<Banner> banners_of(const StatusFacts& facts) {
  std::vector<Banner> all;
  const Readiness& readiness = facts.readiness;
  if (!readiness.ready) {
    all.push_back(not_ready(readiness));
  }
  if (facts.paused) {
    all.push_back({"alarm", "PAUSED", "PAUSED: nothing is rolled back",
                   "<p>Until a person resumes: <code>rollbackctl resume --reason …</code>. "
                   "<code>rollbackctl status</code> says who paused, and why.</p>"});
  }
  if (facts.breakers_open > 0) {
    all.push_back(
        {"alarm", "BREAKER OPEN",
         fmt::format("BREAKER OPEN: {} environment{} rolled back too often", facts.breakers_open,
                     facts.breakers_open == 1 ? "" : "s"),
         "<p>Automatic rollbacks there are held until a person closes it: <code>rollbackctl resume "
         "--breaker ENVIRONMENT --reason …</code></p>"});
  }
  if (const std::size_t firing = count_of(facts, State::firing); firing > 0) {
    all.push_back({"bad", fmt::format("{} FIRING", firing),
                   number_of(firing, "service") + " firing", "<p>A rollback trigger holds.</p>"});
  }
  if (const std::size_t proposed = count_of(facts, State::proposed); proposed > 0) {
    all.push_back({"warn", "WAITS FOR YOU",
                   number_of(proposed, "rollback") + " waiting for a person",
                   "<p><code>rollbackctl approve EVENT --reason …</code>, or <code>abort</code>; "
                   "<code>rollbackctl history</code> lists them.</p>"});
  }
  if (facts.active_rollbacks > 0) {
    all.push_back({"busy", "ROLLING BACK",
                   number_of(facts.active_rollbacks, "rollback") + " under way",
                   "<p>Follow it with <code>rollbackctl watch</code>.</p>"});
  }
  if (readiness.ready && facts.has_windows && !facts.is_complete) {
    all.push_back({"warn", "GAP", "The windows have a gap: nothing is judged",
                   "<p>They are being built again from the tables.</p>"});
  }
  if (readiness.role == "standby") {
    const std::string leader = escaped(readiness.leader);
    all.push_back(leader.empty()
                      ? Banner{"busy", "STANDBY", "STANDBY: no daemon is known to lead",
                               "<p>This one leads as soon as it can.</p>"}
                      : Banner{"busy", "STANDBY", "STANDBY: another daemon leads",
                               "<p><b>" + leader +
                                   "</b> decides and acts; this one takes over when it ends.</p>"});
  }
  for (const std::string& warning : readiness.warnings) {
    all.push_back(
        {"warn", "WARNING", "Warning", "<p>" + escaped(warning, text_bytes_max) + "</p>"});
  }
  if (all.empty()) {
    all.push_back({"good", "OK",
                   facts.services.empty()
                       ? "Ready, and nothing is deployed yet"
                       : "All is well: " + number_of(facts.services.size(), "service") +
                             " watched, none fires",
                   ""});
  }
  return all;
}

std::string banner_html(const Banner& banner) {
  return fmt::format("<div class=\"banner {}\" role=\"{}\">\n<strong>{}</strong>\n{}\n</div>\n",
                     banner.colour, banner.colour == "alarm" ? "alert" : "status", banner.headline,
                     banner.html);
}

std::string fact(std::string_view name, std::string_view value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, escaped(value));
}

std::string facts_html(const StatusFacts& facts) {
  std::string all = "<dl class=\"facts\">\n" + fact("Role", facts.readiness.role) +
                    fact("Feed", facts.readiness.feed) +
                    fact("Active rollbacks", std::to_string(facts.active_rollbacks)) +
                    fact("Paused", facts.paused ? "yes" : "no") +
                    fact("Open breakers", std::to_string(facts.breakers_open));
  if (facts.connection_utilisation) {
    all += fact("Connections in use", rules::number_text(*facts.connection_utilisation) + " %");
  }
  return all + "</dl>\n";
}

std::string row_html(const rules::ServiceView& service) {
  const Look& look = look_of(service.state);
  return fmt::format(
      "<tr{}><th scope=\"row\">{}<span class=\"quiet\"> in {}</span></th>"
      "<td data-name=\"State\"><span class=\"state {}\">{}</span></td>"
      "<td data-name=\"Version\">{}</td>"
      "<td class=\"number\" data-name=\"Errors per minute\">{}</td>"
      "<td class=\"number\" data-name=\"Errors in 5 min\">{}</td>"
      "<td class=\"number\" data-name=\"P95 response\">{}</td></tr>\n",
      service.state == State::firing ? " class=\"loud\"" : "", escaped(service.service.name),
      escaped(service.service.environment), look.colour, look.word, escaped(service.version),
      rules::number_text(service.errors_per_minute), service.recent_errors,
      service.response_time_p95 ? rules::number_text(*service.response_time_p95) + " s" : "–");
}

std::string services_html(const StatusFacts& facts) {
  if (!facts.has_windows) {
    return "<h2>Services</h2>\n<p>The windows are being built for the first time.</p>\n";
  }
  if (facts.services.empty()) {
    return "<h2>Services</h2>\n<p>No deployment is current. Record one: <code>rollbackctl "
           "record</code>, or a row in <code>ops.deployments</code>.</p>\n";
  }
  std::vector<const rules::ServiceView*> sorted;
  for (const rules::ServiceView& service : facts.services) {
    sorted.push_back(&service);
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return std::tuple{rank_of(a->state), a->service.environment, a->service.name} <
           std::tuple{rank_of(b->state), b->service.environment, b->service.name};
  });
  std::string rows;
  const std::size_t shown = std::min(sorted.size(), StatusFacts::services_max);
  for (std::size_t i = 0; i < shown; ++i) {
    rows += row_html(*sorted[i]);
  }
  std::string html =
      "<h2>Services, by what their current deployment does</h2>\n<table>\n<thead><tr>"
      "<th scope=\"col\">Service</th><th scope=\"col\">State</th><th scope=\"col\">Version</th>"
      "<th scope=\"col\" class=\"number\">Errors per minute</th>"
      "<th scope=\"col\" class=\"number\">Errors in 5 min</th>"
      "<th scope=\"col\" class=\"number\">P95 response</th></tr></thead>\n<tbody>\n" +
      rows + "</tbody>\n</table>\n";
  if (sorted.size() > shown) {
    html += fmt::format("<p>And {} more, all quieter than these.</p>\n", sorted.size() - shown);
  }
  return html;
}

// "2025-12-15 14:35:00 UTC".
std::string moment_text(rules::Second second) {
  std::string text = second_text(second);
  text.replace(text.find('T'), 1, " ");
  text.replace(text.size() - 1, 1, " UTC");
  return text;
}

// A dot for the browser's tab.
std::string icon_of(std::string_view colour) {
  const std::string_view fill = colour == "bad" || colour == "alarm" ? "c4202a"
                                : colour == "warn"                   ? "d98a00"
                                : colour == "busy"                   ? "1a73e8"
                                                                     : "1e8e3e";
  return fmt::format(
      "data:image/svg+xml,%3Csvg xmlns=%27http://www.w3.org/2000/svg%27 viewBox=%270 0 16 "
      "16%27%3E%3Ccircle cx=%278%27 cy=%278%27 r=%277%27 fill=%27%23{}%27/%3E%3C/svg%3E",
      fill);
}

void fill(std::string& page, std::string_view mark, const std::string& with) {
  page.replace(page.find(mark), mark.size(), with);
}

// What stands between these two tags of the template: a browser hashes just that.
std::string_view between(std::string_view page, std::string_view open, std::string_view close) {
  const std::size_t begin = page.find(open) + open.size();
  return page.substr(begin, page.find(close, begin) - begin);
}

}  // namespace

StatusFacts status_facts(const ApiSources& sources) {
  StatusFacts facts;
  facts.readiness = sources.readiness();
  if (const auto& control = sources.view.control()) {
    facts.paused = control->pause.on;
    facts.breakers_open = control->breakers.size();
  }
  facts.active_rollbacks = sources.view.active_rollbacks();
  facts.has_windows = sources.view.has_windows();
  facts.is_complete = sources.view.is_complete();
  facts.as_of = sources.view.as_of();
  facts.services = sources.view.services();
  if (!facts.services.empty()) {
    if (const auto seen = sources.view.check(facts.services.front().deployment)) {
      facts.connection_utilisation = seen->connection_utilisation;
    }
  }
  return facts;
}

std::string status_page(const StatusFacts& facts) {
  const std::vector<Banner> banners = banners_of(facts);
  std::string main;
  for (const Banner& banner : banners) {
    main += banner_html(banner);
  }
  main += facts_html(facts) + services_html(facts);
  std::string page{embedded_page("status.html")};
  // Last what may hold anything: what is filled in is not looked at again.
  fill(page, "{{title}}", banners.front().title + " · rollbackd");
  fill(page, "{{version}}", std::string{version()});
  fill(page, "{{icon}}", icon_of(banners.front().colour));
  fill(page, "{{as_of}}", facts.has_windows ? moment_text(facts.as_of) : "not yet");
  fill(page, "{{main}}", main);
  return page;
}

const std::string& status_page_policy() {
  static const std::string policy = [] {
    const std::string_view page = embedded_page("status.html");
    return fmt::format(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        sha256_base64(between(page, "<style>", "</style>")),
        sha256_base64(between(page, "<script>", "</script>")));
  }();
  return policy;
}

}  // namespace rollbackd::engine
