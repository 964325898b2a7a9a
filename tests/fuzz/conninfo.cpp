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

// All of the string may be the password.
bool quotes_nothing(std::string what) {
  constexpr std::string_view own = "missing \"=\" after ";
  constexpr std::string_view left_out = "\"…\"";
  if (const std::size_t at = what.find(own); at != std::string::npos) {
    what.erase(at, own.size());
  }
  const std::size_t begin = what.find('"');
  return begin == std::string::npos ||
         (what.compare(begin, left_out.size(), left_out) == 0 &&
          what.find('"', begin + left_out.size()) == std::string::npos);
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
    INVARIANT(is_one_line(made.error().what) && quotes_nothing(made.error().what));
  }
  const std::string line = engine::one_line(input);
  INVARIANT(line.find('\n') == std::string::npos && engine::one_line(line) == line);
}

const Registered target{{"conninfo", run}};

}  // namespace
}  // namespace rollbackd::fuzz
