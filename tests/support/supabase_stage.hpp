#pragma once

#include <string>

#include "tests/support/stage.hpp"

namespace rollbackd::tests {

// The daemon, and people who have supabase-js: tests/support/clients.
class SupabaseStage : public Stage {
 public:
  // `./dev setup` installs them where there is npm.
  static bool has_clients();
  static bool has_browser();

  SupabaseStage();

  // Runs all phases of the scenario with one client and this key; fails the test with what did not
  // hold. Ends with the database stopped and the daemon killed.
  void drive(const std::string& client, const std::string& key);

 private:
  void run(const std::string& client, const std::string& phase, const std::string& place);
};

}  // namespace rollbackd::tests
