#include "tests/support/http_stub.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace rollbackd::tests {
namespace {

constexpr auto patience = std::chrono::minutes{1};

std::pair<int, std::uint16_t> socket_on_free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || bind(fd, generic, size) != 0 || getsockname(fd, generic, &size) != 0) {
    throw std::system_error{errno, std::generic_category(), "no free port on 127.0.0.1"};
  }
  return {fd, ntohs(address.sin_port)};
}

std::string url_of(std::uint16_t port, std::string_view path) {
  return "http://127.0.0.1:" + std::to_string(port) + std::string{path};
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool receive_more(int socket, std::string& received) {
  std::array<char, 65536> buffer{};
  const ssize_t size = recv(socket, buffer.data(), buffer.size(), 0);
  if (size > 0) {
    received.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return size > 0;
}

void reset(int socket) {
  const linger at_once{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

StubRequest read_head(std::string_view head) {
  StubRequest request;
  const std::size_t line_end = head.find("\r\n");
  const std::string_view first = head.substr(0, line_end);
  const std::size_t space = first.find(' ');
  request.method = first.substr(0, space);
  request.target = first.substr(space + 1, first.rfind(' ') - space - 1);
  for (std::size_t begin = line_end + 2; begin < head.size();) {
    const std::size_t end = std::min(head.find("\r\n", begin), head.size());
    const std::string_view line = head.substr(begin, end - begin);
    const std::size_t colon = std::min(line.find(':'), line.size());
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    while (value.starts_with(' ')) {
      value.remove_prefix(1);
    }
    request.headers.emplace_back(lower_case(std::string{line.substr(0, colon)}), value);
    begin = end + 2;
  }
  return request;
}

}  // namespace

std::optional<std::string> StubRequest::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) {
      return value;
    }
  }
  return std::nullopt;
}

HttpStub::HttpStub(Greeting greeting) : greeting_{greeting} {
  std::tie(listener_, port_) = socket_on_free_port();
  if (listen(listener_, 64) != 0) {
    throw std::system_error{errno, std::generic_category(), "listen"};
  }
  acceptor_ = std::thread{[this] { accept_all(); }};
}

HttpStub::~HttpStub() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    for (const int socket : sockets_) {
      shutdown(socket, SHUT_RDWR);
    }
  }
  changed_.notify_all();
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  close(listener_);
}

std::string HttpStub::url(std::string_view path) const { return url_of(port_, path); }

void HttpStub::always(std::string_view in_target, StubAnswer answer) {
  const std::lock_guard lock{mutex_};
  by_target_.emplace_back(in_target, std::move(answer));
}

void HttpStub::next(StubAnswer answer) {
  const std::lock_guard lock{mutex_};
  answers_.push_back(std::move(answer));
}

void HttpStub::otherwise(StubAnswer answer) {
  answer_by([answer = std::move(answer)](const StubRequest&) { return answer; });
}

void HttpStub::answer_by(Maker maker) {
  const std::lock_guard lock{mutex_};
  otherwise_ = std::move(maker);
}

void HttpStub::release() {
  const std::lock_guard lock{mutex_};
  ++released_;
  changed_.notify_all();
}

std::vector<StubRequest> HttpStub::requests() const {
  const std::lock_guard lock{mutex_};
  return requests_;
}

std::size_t HttpStub::connections() const {
  const std::lock_guard lock{mutex_};
  return threads_.size();
}

bool HttpStub::wait_for_requests(std::size_t count) const {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, patience, [&] { return requests_.size() >= count; });
}

bool HttpStub::wait_for_connections(std::size_t count) const {
  std::unique_lock lock{mutex_};
  return changed_.wait_for(lock, patience, [&] { return threads_.size() >= count; });
}

void HttpStub::accept_all() {
  while (true) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock{mutex_};
    if (stopping_ || socket < 0) {
      if (socket >= 0) {
        close(socket);
      }
      return;
    }
    sockets_.push_back(socket);
    threads_.emplace_back([this, socket] { serve(socket); });
    changed_.notify_all();
  }
}

void HttpStub::serve(int socket) {
  std::string received;
  switch (greeting_) {
    case Greeting::none:
      while (serve_one(socket, received)) {
      }
      break;
    case Greeting::reset_on_accept:
      reset(socket);
      break;
    case Greeting::garbage:
      receive_more(socket, received);
      send_all(socket, "220 this is a mail server\r\n");
      break;
    case Greeting::silent:
      while (receive_more(socket, received)) {
      }
      break;
  }
  const std::lock_guard lock{mutex_};
  std::erase(sockets_, socket);
  close(socket);
}

// One request and its answer. False: the connection has ended or has to.
bool HttpStub::serve_one(int socket, std::string& received) {
  std::size_t head_end = 0;
  while ((head_end = received.find("\r\n\r\n")) == std::string::npos) {
    if (!receive_more(socket, received)) {
      return false;
    }
  }
  StubRequest request = read_head(std::string_view{received}.substr(0, head_end));
  const std::size_t length = std::stoul(request.header("content-length").value_or("0"));
  while (received.size() < head_end + 4 + length) {
    if (!receive_more(socket, received)) {
      return false;
    }
  }
  request.body = received.substr(head_end + 4, length);
  received.erase(0, head_end + 4 + length);
  const bool head_only = request.method == "HEAD";
  std::size_t released = 0;
  StubAnswer reply;
  Maker maker;
  {
    const std::lock_guard lock{mutex_};
    released = released_;
    const auto by_target = std::find_if(
        by_target_.begin(), by_target_.end(),
        [&](const auto& known) { return request.target.find(known.first) != std::string::npos; });
    if (by_target != by_target_.end()) {
      reply = by_target->second;
    } else if (!answers_.empty()) {
      reply = std::move(answers_.front());
      answers_.pop_front();
    } else {
      maker = otherwise_;
    }
    requests_.push_back(request);
    changed_.notify_all();
  }
  if (maker) {
    reply = maker(request);
  }
  wait_to_answer(reply, released);
  return answer(socket, reply, head_only);
}

void HttpStub::wait_to_answer(const StubAnswer& answer, std::size_t released) {
  std::unique_lock lock{mutex_};
  if (answer.how == StubAnswer::How::hold) {
    changed_.wait(lock, [&] { return stopping_ || released_ != released; });
  } else if (answer.delay.count() > 0) {
    changed_.wait_for(lock, answer.delay, [&] { return stopping_; });
  }
}

bool HttpStub::answer(int socket, const StubAnswer& answer, bool head_only) {
  if (answer.how == StubAnswer::How::reset) {
    reset(socket);
    return false;
  }
  if (answer.how == StubAnswer::How::close) {
    return false;
  }
  if (answer.how == StubAnswer::How::raw) {
    send_all(socket, answer.body);
    return false;
  }
  std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " Stub\r\n";
  for (const auto& [name, value] : answer.headers) {
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (answer.status != 204) {
    head += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
  }
  head += answer.close_after ? "Connection: close\r\n\r\n" : "\r\n";
  const bool cut = answer.how == StubAnswer::How::cut;
  std::string_view body = answer.body;
  if (cut || head_only || answer.status == 204) {
    body = body.substr(0, cut ? body.size() / 2 : 0);
  }
  head += body;  // in one piece, or the other side waits before it acknowledges the first
  return send_all(socket, head) && !cut && !answer.close_after;
}

ClosedPort::ClosedPort() { std::tie(socket_, port_) = socket_on_free_port(); }

ClosedPort::~ClosedPort() { close(socket_); }

std::string ClosedPort::url(std::string_view path) const { return url_of(port_, path); }

}  // namespace rollbackd::tests
