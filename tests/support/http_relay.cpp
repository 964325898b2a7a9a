#include "tests/support/http_relay.hpp"

#include <sstream>
#include <stdexcept>

#include "tests/support/http_request.hpp"

namespace rollbackd::tests {
namespace {

constexpr std::string_view bearer = "Bearer ";
constexpr const char* passed_on[] = {"content-type", "prefer", "idempotency-key"};

}  // namespace

HttpRelay::HttpRelay(int server_port) : server_port_{server_port} {
  stub_.answer_by([this](const StubRequest& request) { return pass_on(request); });
}

StubAnswer HttpRelay::pass_on(const StubRequest& request) {
  std::string fields;
  for (const char* name : passed_on) {
    if (const auto value = request.header(name)) {
      fields.append(name).append(": ").append(*value).append("\r\n");
    }
  }
  std::string token = request.header("authorization").value_or("");
  token.erase(0, token.starts_with(bearer) ? bearer.size() : 0);
  StubAnswer answer;
  try {
    const HttpAnswer given =
        http_request(server_port_, request.method, request.target, request.body, token, fields);
    answer.status = given.status;
    answer.body = given.body;
  } catch (const std::runtime_error&) {
    answer.how = StubAnswer::How::close;
  }
  if (request.header("idempotency-key") && losing_ > 0) {
    --losing_;
    answer.how = StubAnswer::How::close;
  }
  return answer;
}

std::vector<std::string> HttpRelay::keyed_requests() const {
  std::vector<std::string> all;
  for (const StubRequest& request : stub_.requests()) {
    if (const auto key = request.header("idempotency-key")) {
      all.push_back(*key + " " + request.method + " " + request.target);
    }
  }
  return all;
}

}  // namespace rollbackd::tests
