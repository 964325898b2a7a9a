#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "engine/result.hpp"

namespace rollbackd::engine {

// Where the database is and how to get in. Never printed as a whole: it may hold the password.
struct ConnectionInfo {
  std::string conninfo;  // libpq's: key=value or a URI; what it lacks comes from PG* variables
  std::string password;  // from its own key or file; empty: as conninfo says
  // Read anew with each attempt to connect, because passwords are changed there; while it cannot be
  // read, `password` has to do.
  std::filesystem::path password_file = {};
};

// The conninfo of one of our sessions, in libpq's key=value form: ours for time-outs and keepalives
// where the user says nothing, always a server that takes writes, and an application_name that
// begins with "rollbackd" (`purpose`: "feed", "journal", …). Fails when libpq cannot read it.
Result<std::string> session_conninfo(const ConnectionInfo& info, std::string_view purpose);

// The conninfo as libpq understood it, without what libpq itself calls a secret; for people.
std::string shown_conninfo(const ConnectionInfo& info);

// A libpq or server message fit for a log: one line, no trailing newline, never a password.
std::string one_line(std::string_view message);

}  // namespace rollbackd::engine
