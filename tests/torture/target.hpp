#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/daemon.hpp"
#include "tests/torture/oracle.hpp"

namespace rollbackd::tests::torture {

class HttpLink;

// The daemon under fire: the real program, reached over a few HTTP connections that are kept.
class Target {
 public:
  // `conninfo`: how it reaches the database.
  explicit Target(const std::string& conninfo);
  ~Target();
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  void kill();
  // After kill(); from now on it reaches the database so.
  void start(const std::string& conninfo);
  void stop_for_now();
  void go_on();
  // Whether it has ended although nobody killed it.
  [[nodiscard]] bool has_ended() const;
  [[nodiscard]] int pid() const { return daemon_->pid(); }

  // What it says of each deployment. Empty: it does not answer (yet).
  std::vector<Told> check(const std::vector<std::string>& deployments);
  // Values of /metrics by name; those with labels are left out. Empty: it does not answer.
  std::map<std::string, double> metrics();
  // Lines at the end of its log, without those about our own questions.
  [[nodiscard]] std::string log_tail(std::size_t lines) const;

 private:
  bool reach();

  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<HttpLink> link_;
  std::size_t log_begin_ = 0;  // of this start
};

}  // namespace rollbackd::tests::torture
