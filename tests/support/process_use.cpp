#include "tests/support/process_use.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

namespace rollbackd::tests {
namespace {

std::string read(int pid, const std::string& file) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/" + file};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

[[noreturn]] void throw_ended(int pid) {
  throw std::runtime_error{"process " + std::to_string(pid) + " has ended"};
}

}  // namespace

// Fields 14 and 15, after the name, which may hold anything.
double processor_seconds(int pid) {
  const std::string stat = read(pid, "stat");
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) {
    throw_ended(pid);
  }
  std::istringstream fields{stat.substr(name_end + 2)};
  std::string skipped;
  for (int i = 3; i < 14; ++i) {
    fields >> skipped;
  }
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double memory_mib(int pid, const std::string& what) {
  const std::string status = read(pid, "status");
  const auto at = status.find(what + ":");
  if (at == std::string::npos) {
    throw_ended(pid);
  }
  return std::stod(status.substr(at + what.size() + 1)) / 1024;
}

}  // namespace rollbackd::tests
