#pragma once

#include <string>

namespace CLI {
class App;
}

namespace rollbackd::ctl {

struct DiscordArguments {
  std::string config;  // rollbackd's own; flags count more
  std::string api_url;
  std::string application;
  std::string guild;
  std::string bot_token_file;
  bool print = false;
  bool json = false;
  bool chosen = false;
};

// Adds `discord register`.
void add_discord(CLI::App& app, DiscordArguments& arguments);

// Puts the commands into the server, in place of those of this application that are there, and says
// so; gives an exit code. Talks to Discord, not to rollbackd.
int register_commands(const DiscordArguments& arguments);

}  // namespace rollbackd::ctl
