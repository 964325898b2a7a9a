#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "engine/ctl/client.hpp"

// The commands of rollbackctl. Each asks the daemon, prints for people or, with `json`, what the
// daemon answered, and gives an exit code.
namespace rollbackd::ctl {

struct Arguments {
  bool json = false;
  std::string name;  // a deployment or event, as it was given
  std::string reason;
  std::string environment;
  std::string service;
  std::string version;
  std::string commit;
  std::string branch;
  std::string status;
  std::string deployment;
  std::string breaker;
  std::string initiated_by;
  std::vector<std::string> overrides;
  int limit = 20;
  bool yes = false;
  bool dry_run = false;
  bool revert_migrations = false;
  std::chrono::seconds timeout{360};
  std::chrono::milliseconds every{1000};
  std::chrono::seconds patience{60};  // with a daemon that is silent while a rollback is followed
};

int status(Client& client, const Arguments& arguments);
int watch(Client& client, const Arguments& arguments);
int check(Client& client, const Arguments& arguments);
int deployments(Client& client, const Arguments& arguments);
int history(Client& client, const Arguments& arguments);
int show(Client& client, const Arguments& arguments);

int rollback(Client& client, const Arguments& arguments);
int approve(Client& client, const Arguments& arguments);
int abort(Client& client, const Arguments& arguments);
int pause(Client& client, const Arguments& arguments);
int resume(Client& client, const Arguments& arguments);

// A line for each deployment, rollback or environment: what could be written, a tab, and what it
// is. Nothing and no error when there is no answer at once: a shell asks, while somebody types.
int complete(Client& client, const Arguments& arguments);

int record(Client& client, const Arguments& arguments);
int gate(Client& client, const Arguments& arguments);

}  // namespace rollbackd::ctl
