#include "engine/database/conninfo.hpp"

#include <map>
#include <memory>

#include <libpq-fe.h>

#include "engine/secret_file.hpp"
#include "engine/settings_values.hpp"

namespace rollbackd::engine {
namespace {

// A dead link has to be noticed within seconds; libpq's own defaults wait for hours.
const std::map<std::string, std::string>& defaults() {
  static const std::map<std::string, std::string> known{
      {"connect_timeout", "3"},      {"keepalives_idle", "5"},
      {"keepalives_interval", "2"},  {"keepalives_count", "3"},
      {"tcp_user_timeout", "10000"}, {"target_session_attrs", "read-write"},
      {"client_encoding", "UTF8"},
  };
  return known;
}

using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

std::string quoted_value(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') {
      out += '\\';
    }
    out += c;
  }
  return out + "'";
}

using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

// What libpq says of a connection string without what it quotes of it: a password with a blank or a
// percent sign is quoted, and of a URI all of it.
std::string without_quoted(std::string_view message) {
  const std::size_t begin = message.find('"');
  if (begin == std::string_view::npos) {
    return std::string{message};
  }
  const std::size_t end = message.rfind('"');
  return std::string{message.substr(0, begin)} + "…" + std::string{message.substr(end + 1)};
}

// The option that was probably meant where libpq does not know one; else nothing.
std::string option_meant(std::string_view message) {
  constexpr std::string_view unknown = "invalid connection option \"";
  if (!message.starts_with(unknown)) {
    return {};
  }
  message.remove_prefix(unknown.size());
  std::vector<std::string_view> names;
  const Options all{PQconninfoParse("", nullptr), &PQconninfoFree};
  for (const PQconninfoOption* o = all.get(); o != nullptr && o->keyword != nullptr; ++o) {
    names.emplace_back(o->keyword);
  }
  const std::string_view near = closest(message.substr(0, message.rfind('"')), names);
  return near.empty() ? "" : "; did you mean " + std::string{near} + "?";
}

}  // namespace

Result<std::string> session_conninfo(const ConnectionInfo& info, std::string_view purpose) {
  char* problem = nullptr;
  const Options options{PQconninfoParse(info.conninfo.c_str(), &problem), &PQconninfoFree};
  if (!options) {
    const std::string why = problem == nullptr
                                ? "out of memory"
                                : one_line(without_quoted(problem)) + option_meant(problem);
    PQfreemem(problem);
    return Error{"database.conninfo cannot be read: " + why,
                 "write it as libpq does: \"host=… dbname=… user=…\" or postgresql://…"};
  }
  std::map<std::string, std::string> keys = defaults();
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    if (o->val != nullptr) {
      keys[o->keyword] = o->val;
    }
  }
  if (!info.password.empty()) {
    keys["password"] = info.password;
  }
  if (!info.password_file.empty()) {
    if (const auto now = read_secret_file(info.password_file)) {
      keys["password"] = *now;
    }
  }
  // libpq would read no further than to it.
  if (info.conninfo.find('\0') != std::string::npos ||
      info.password.find('\0') != std::string::npos) {
    return Error{"database.conninfo or its password holds a NUL character", "take it out"};
  }
  keys["application_name"] = "rollbackd " + std::string{purpose};
  std::string text;
  for (const auto& [key, value] : keys) {
    text += (text.empty() ? "" : " ") + key + "=" + quoted_value(value);
  }
  return text;
}

std::string shown_conninfo(const ConnectionInfo& info) {
  const Options options{PQconninfoParse(info.conninfo.c_str(), nullptr), &PQconninfoFree};
  std::string text;
  for (const PQconninfoOption* o = options.get(); o != nullptr && o->keyword != nullptr; ++o) {
    const bool is_secret = std::string_view{o->dispchar} == "*";
    if (o->val != nullptr && !is_secret) {
      text += (text.empty() ? "" : " ") + std::string{o->keyword} + "=" + o->val;
    }
  }
  return text;
}

std::string one_line(std::string_view message) {
  std::string out;
  for (const char c : message) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!space) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') {
    out.pop_back();
  }
  return out;
}

}  // namespace rollbackd::engine
