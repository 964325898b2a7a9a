#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "engine/database/connection.hpp"
#include "engine/ports.hpp"

namespace rollbackd::engine {

// Names those who disturb the doorbell and cannot be kept from it: strangers who hold K, so that
// every writer rings, and whoever keeps NOTIFY's queue from being emptied. Each is logged once; all
// are on the board. The sampler's thread.
class Disturbers {
 public:
  Disturbers(Log& log, Board& board) : log_{log}, board_{board} {}

  // How many strangers there are, as a subquery. One is whoever holds K exclusively, or waits for
  // it, and is not a doorbell session of our own role. The role is what the server has
  // authenticated, so that nobody takes ours by choosing an application_name; our own pid would not
  // do, because another daemon of the same installation holds K rightly while it leads.
  static std::string count_of_strangers();

  void look(Connection& connection, std::int64_t strangers, double queue_usage);

 private:
  void tell_of_strangers(Connection& connection);
  void tell_of_culprits(Connection& connection, double queue_usage);

  Log& log_;
  Board& board_;
  std::set<std::string> told_strangers_;
  std::set<std::string> told_culprits_;
};

}  // namespace rollbackd::engine
