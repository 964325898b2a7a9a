#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace rollbackd::tests {

// Debian's Prometheus and Alertmanager with the files of config/prometheus and config/alertmanager,
// of which only addresses, and where it is said intervals, are others. End with the object.
class Monitoring {
 public:
  struct Receivers {
    std::string page;
    std::string channel;
    std::string watchdog;
  };
  // Texts in the files and what stands there instead.
  using Replacements = std::vector<std::pair<std::string, std::string>>;

  // Both programs are there: ./dev setup test.
  static bool is_installed();

  // `more_rules`: a rule file besides ours. `token`: for the daemon's API.
  Monitoring(int daemon_port, const std::string& token, const Receivers& receivers,
             const std::string& more_rules, const Replacements& replacements);
  ~Monitoring();
  Monitoring(const Monitoring&) = delete;
  Monitoring& operator=(const Monitoring&) = delete;

  [[nodiscard]] int prometheus_port() const { return prometheus_port_; }
  // What Prometheus's API answers to this query; its text.
  [[nodiscard]] std::string query(const std::string& promql) const;
  [[nodiscard]] std::string logs() const;

 private:
  std::filesystem::path folder_;
  int prometheus_port_;
  int alertmanager_port_;
  int alertmanager_ = 0;
  int prometheus_ = 0;
};

}  // namespace rollbackd::tests
