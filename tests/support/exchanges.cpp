#include "tests/support/exchanges.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include <nlohmann/json.hpp>

#include "tests/support/raw_http.hpp"

namespace rollbackd::tests {
namespace {

using nlohmann::json;

// Metrics and pages are long, are asked for often, and have no schema.
constexpr std::size_t text_bytes_max = 200;
// Longer ones are refused before anybody looks them up.
constexpr std::size_t target_bytes_max = 2000;
constexpr int refusals_begin = 400;

json fields_of(const std::string& headers) {
  json fields = json::object();
  std::istringstream lines{headers};
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const auto colon = line.find(": ");
    if (colon != std::string::npos) {
      const auto end = line.find_last_not_of('\r');
      fields[line.substr(0, colon)] = line.substr(colon + 2, end - colon - 1);
    }
  }
  return fields;
}

std::ofstream opened(const char* name) {
  const std::filesystem::path file{name};
  std::filesystem::create_directories(file.parent_path());
  return std::ofstream{file, std::ios::trunc};
}

void write(json exchange, const std::string& method, const std::string& path,
           const std::string& body, const HttpAnswer& answer) {
  const char* name = std::getenv("ROLLBACKD_EXCHANGES");
  // Only the daemon gives request ids.
  if (name == nullptr || answer.headers.find("\r\nx-request-id: ") == std::string::npos) {
    return;
  }
  json fields = fields_of(answer.headers);
  const bool is_json = fields.value("Content-Type", "").starts_with("application/json");
  exchange.update({{"method", method},
                   {"path", path},
                   {"request", body},
                   {"status", answer.status},
                   {"headers", std::move(fields)},
                   {"answer", is_json ? answer.body : answer.body.substr(0, text_bytes_max)}});
  static std::mutex mutex;
  const std::lock_guard lock{mutex};
  static std::ofstream out = opened(name);
  out << exchange.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
}

}  // namespace

void record_exchange(const std::string& method, const std::string& path, bool credential,
                     const std::string& body, const HttpAnswer& answer) {
  write({{"credential", credential}}, method, path, body, answer);
}

void record_raw_exchange(std::string_view request, std::string_view answer) {
  const std::string line{request.substr(0, request.find("\r\n"))};
  const std::size_t space = line.find(' ');
  const std::size_t end = line.find(" HTTP/1.");
  const std::size_t header = answer.find("\r\n\r\n");
  if (space == std::string::npos || end == std::string::npos || end <= space ||
      end > target_bytes_max || header == std::string_view::npos ||
      status_of(answer) < refusals_begin) {
    return;
  }
  const std::string target = line.substr(space + 1, end - space - 1);
  const bool is_readable =
      std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!target.starts_with('/') || !is_readable) {
    return;
  }
  const std::string length = field_of(answer, "content-length");
  const HttpAnswer first{
      status_of(answer), std::string{answer.substr(0, header)},
      body_of(answer).substr(0, length.empty() ? std::string::npos : std::stoul(length))};
  write({{"raw", true}}, line.substr(0, space), target, "", first);
}

}  // namespace rollbackd::tests
