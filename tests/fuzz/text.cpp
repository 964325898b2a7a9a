// Texts from outside on their way to people, logs and terminals, and times in them.

#include <nlohmann/json.hpp>

#include "engine/ctl/client.hpp"
#include "engine/ctl/screen.hpp"
#include "engine/http/target.hpp"
#include "engine/telemetry/log_line.hpp"
#include "engine/time_text.hpp"
#include "engine/utf8.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/promises.hpp"

namespace rollbackd::fuzz {
namespace {

void look_at_plain(std::string_view input) {
  const std::string plain = engine::plain_text(input);
  INVARIANT(is_utf8(plain) && engine::plain_text(plain) == plain);
  const std::size_t most = 3 + number_of(input) % 80;
  const std::string front = engine::cut_end(plain, most);
  const std::string back = engine::cut_start(plain, most);
  INVARIANT(is_utf8(front) && front.size() <= most);
  INVARIANT(is_utf8(back) && back.size() <= most);
  INVARIANT(plain.size() > most || (front == plain && back == plain));
}

void look_at_code_points(std::string_view input) {
  std::string again;
  std::size_t units = 0;
  for (std::string_view rest = input; !rest.empty();) {
    const std::size_t before = rest.size();
    const char32_t c = engine::take_code_point(rest);
    INVARIANT(rest.size() < before);
    units += c >= 0x10000 ? 2U : 1U;
    engine::append_code_point(again, c);
  }
  INVARIANT(is_utf8(again) && engine::utf16_length(input) == units);
  INVARIANT(is_utf8(input) == (again == input));
}

void look_at_log(std::string_view input) {
  const rules::Fields fields{{std::string{input.substr(0, 20)}, std::string{input}},
                             {"n", std::int64_t{7}}};
  const rules::Instant at = rules::instant_of(1'765'809'300);
  for (const engine::LogFormat format : {engine::LogFormat::logfmt, engine::LogFormat::json}) {
    const std::string line = engine::log_line(format, at, engine::LogLevel::info, input, fields);
    INVARIANT(is_one_line(line));
    INVARIANT(format == engine::LogFormat::logfmt || is_json(line));
  }
}

void look_at_terminal(std::string_view input) {
  const std::string shown = ctl::printable(input);
  INVARIANT(is_utf8(shown) && is_one_line(shown));
  ctl::Table table{{"A", "B"}};
  table.add({shown, "b"});
  const std::string text = table.text();
  INVARIANT(std::count(text.begin(), text.end(), '\n') == 2);
  ctl::age(std::string{input});
  const std::string part = ctl::url_part(input);
  INVARIANT(is_one_line(part) && part.find_first_of("/?#&= ") == std::string::npos);
}

// A query's parameter comes back as it went in, or is refused whole.
void look_at_query(std::string_view input) {
  const auto value = engine::parameter("a=b&name=" + ctl::url_part(input), "name");
  INVARIANT(!value || *value == input);
  const auto path = engine::path_of('/' + ctl::url_part(input));
  INVARIANT(!path || *path == '/' + std::string{input});
}

void look_at_times(std::string_view input) {
  const auto instant = engine::parse_instant(input);
  if (instant) {
    const std::string text = engine::instant_text(*instant);
    INVARIANT(engine::parse_instant(text) == instant);
    INVARIANT(text.substr(0, 19) == input.substr(0, 19));
    const rules::Second second = rules::second_of(*instant);
    INVARIANT(engine::parse_instant(engine::second_text(second)) == rules::instant_of(second));
  }
}

void run(std::string_view input) {
  look_at_plain(input);
  look_at_code_points(input);
  look_at_log(input);
  look_at_terminal(input);
  look_at_query(input);
  look_at_times(input);
}

const Registered target{{"text", run}};

}  // namespace
}  // namespace rollbackd::fuzz
