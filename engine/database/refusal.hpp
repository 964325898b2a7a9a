#pragma once

#include <string>

namespace rollbackd::engine {

// The SQLSTATE with which the server refuses to be connected to, which libpq's own words leave out;
// empty: it lets us in, or says nothing within two seconds. Makes one attempt of its own. Blocks;
// any thread.
std::string refusal_of(const std::string& conninfo);

// Whether it is the login itself that is refused (password, pg_hba.conf, role).
bool is_login_refused(const std::string& sqlstate);

}  // namespace rollbackd::engine
