// Connection strings. Input: the string on the first line, a password on the second, what the
// server says on the rest.

#include "engine/database/conninfo.hpp"

#include <map>
#include <memory>

#include <libpq-fe.h>

#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/promises.hpp"

namespace rollbackd::fuzz {
namespace {

using Keys = std::map<std::string, std::string>;

// Nothing: libpq cannot read it.
std::optional<Keys> keys_of(const std::string& conninfo) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options{
      PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree};
  if (!options) {
    return std::nullopt;
  }
  Keys keys;
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    if (o->val != nullptr) {
      keys[o->keyword] = o->val;
    }
  }
  return keys;
}

void run(std::string_view input) {
  const std::string conninfo{take_part(input)};
  const std::string password{take_part(input)};
  const auto given = keys_of(conninfo);
  const auto made = engine::session_conninfo({conninfo, password}, "feed");
  const bool has_nul = (conninfo + password).find('\0') != std::string::npos;
  INVARIANT(static_cast<bool>(made) == (given.has_value() && !has_nul));
  if (made) {
    auto keys = keys_of(*made);
    INVARIANT(keys && (*keys)["application_name"] == "rollbackd feed");
    for (const auto& [key, value] : *given) {
      INVARIANT(key == "application_name" || key == "password" || (*keys)[key] == value);
    }
    INVARIANT(password.empty() || (*keys)["password"] == password);
  } else {
    // All of the string may be the password.
    const std::string& what = made.error().what;
    INVARIANT(is_one_line(what));
    for (std::size_t at = 0; at + 4 <= conninfo.size(); ++at) {
      INVARIANT(what.find("\"" + conninfo.substr(at, 4)) == std::string::npos);
    }
  }
  const std::string line = engine::one_line(input);
  INVARIANT(line.find('\n') == std::string::npos && engine::one_line(line) == line);
}

const Registered target{{"conninfo", run}};

}  // namespace
}  // namespace rollbackd::fuzz
