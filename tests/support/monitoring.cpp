#include "tests/support/monitoring.hpp"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <sys/wait.h>

#include "tests/support/daemon.hpp"
#include "tests/support/free_port.hpp"
#include "tests/support/http_request.hpp"

namespace rollbackd::tests {
namespace {

namespace fs = std::filesystem;

const fs::path source{ROLLBACKD_SOURCE_DIR};

// As ./dev setup or a package has put it there; empty: neither has.
fs::path program(const std::string& name) {
  for (const fs::path& folder : {source / "build/tools", fs::path{"/usr/bin"}}) {
    if (fs::exists(folder / name)) {
      return folder / name;
    }
  }
  return {};
}

std::string text_of(const fs::path& file) {
  std::ifstream in{file};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void write(const fs::path& file, const std::string& text) { std::ofstream{file} << text; }

std::string with(std::string text, const Monitoring::Replacements& replacements) {
  for (const auto& [what, by] : replacements) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
      text.replace(at, what.size(), by);
    }
  }
  return text;
}

int start(const std::vector<std::string>& argv, const fs::path& log) {
  std::vector<std::string> whole{"/usr/bin/setpriv", "--pdeathsig", "KILL"};
  whole.insert(whole.end(), argv.begin(), argv.end());
  return start_program(whole, log);
}

void wait_until_ready(const char* what, int port) {
  eventually(what, 60, [port] {
    try {
      return http_request(port, "GET", "/-/ready").status == 200;
    } catch (const std::runtime_error&) {
      return false;
    }
  });
}

void end(int pid) {
  if (pid > 0) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
}

std::string local(int port) { return "127.0.0.1:" + std::to_string(port); }

}  // namespace

bool Monitoring::is_installed() {
  return !program("prometheus").empty() && !program("prometheus-alertmanager").empty() &&
         fs::exists("/usr/share/prometheus/alertmanager/default.tmpl");
}

Monitoring::Monitoring(int daemon_port, const std::string& token, const Receivers& receivers,
                       const std::string& more_rules, const Replacements& replacements)
    : prometheus_port_{free_port()}, alertmanager_port_{free_port()} {
  std::string made = fs::temp_directory_path() / "rollbackd-monitoring-XXXXXX";
  if (::mkdtemp(made.data()) == nullptr) {
    throw std::runtime_error{"no folder can be made for Prometheus"};
  }
  folder_ = made;
  const fs::path config = source / "config";
  write(folder_ / "token", token);
  write(folder_ / "more_rules.yml", more_rules);
  for (const char* rules : {"recording_rules.yml", "alert_rules.yml"}) {
    fs::copy_file(config / "prometheus" / rules, folder_ / rules);
  }
  Replacements own{{"127.0.0.1:9641", local(daemon_port)},
                   {"127.0.0.1:9093", local(alertmanager_port_)},
                   {"  - alert_rules.yml\n", "  - alert_rules.yml\n  - more_rules.yml\n"},
                   {"https://pager.example.com/alertmanager", receivers.page},
                   {"https://chat.example.com/alertmanager", receivers.channel},
                   {"https://watchdog.example.com/ping", receivers.watchdog},
                   {"/etc/alertmanager/rollbackd.token", folder_ / "token"}};
  own.insert(own.end(), replacements.begin(), replacements.end());
  write(folder_ / "prometheus.yml", with(text_of(config / "prometheus/prometheus.yml"), own));
  write(folder_ / "alertmanager.yml", with(text_of(config / "alertmanager/alertmanager.yml"), own));
  alertmanager_ =
      start({program("prometheus-alertmanager"),
             "--config.file=" + (folder_ / "alertmanager.yml").string(),
             "--storage.path=" + (folder_ / "alerts").string(),
             "--web.listen-address=" + local(alertmanager_port_), "--cluster.listen-address="},
            folder_ / "alertmanager.log");
  prometheus_ =
      start({program("prometheus"), "--config.file=" + (folder_ / "prometheus.yml").string(),
             "--storage.tsdb.path=" + (folder_ / "data").string(),
             "--web.listen-address=" + local(prometheus_port_)},
            folder_ / "prometheus.log");
  try {
    wait_until_ready("Alertmanager to be ready", alertmanager_port_);
    wait_until_ready("Prometheus to be ready", prometheus_port_);
  } catch (const std::runtime_error& e) {
    end(prometheus_);
    end(alertmanager_);
    throw std::runtime_error{e.what() + ("\n" + logs())};
  }
}

Monitoring::~Monitoring() {
  end(prometheus_);
  end(alertmanager_);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string Monitoring::query(const std::string& promql) const {
  std::string escaped;
  for (const char c : promql) {
    char code[4];
    std::snprintf(code, sizeof code, "%%%02X", static_cast<unsigned char>(c));
    escaped += code;
  }
  return http_request(prometheus_port_, "GET", "/api/v1/query?query=" + escaped).body;
}

std::string Monitoring::logs() const {
  return text_of(folder_ / "prometheus.log") + text_of(folder_ / "alertmanager.log");
}

}  // namespace rollbackd::tests
