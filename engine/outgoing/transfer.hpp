#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include <curl/curl.h>

#include "engine/outgoing/http_client.hpp"
#include "engine/outgoing/url.hpp"
#include "engine/result.hpp"

namespace rollbackd::engine {

// One request as libcurl knows it, from its options to its outcome. The worker's thread only.
class Transfer {
 public:
  using Work = asio::executor_work_guard<asio::any_io_executor>;

  Transfer(HttpRequest request, HttpClient::OnDone on_done,
           const asio::any_io_executor& answers_on);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // What cannot be asked is an error; nothing was sent then.
  Result<Done> prepare();
  [[nodiscard]] CURL* handle() const { return handle_; }

  // Delivers the outcome where it is waited for.
  void finish(CURLcode code);
  void refuse(std::string what);

 private:
  static std::size_t take_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t take_body(char* data, std::size_t size, std::size_t count, void* self);
  static int about_to_send(void* self, char* address, char* local, int port, int local_port);

  Result<Done> add_headers();
  void set_method();
  void set_limits();
  [[nodiscard]] std::string described(CURLcode code) const;
  void deliver(HttpOutcome outcome);

  HttpRequest request_;
  HttpClient::OnDone on_done_;
  Work work_;
  Url url_;
  CURL* handle_ = nullptr;
  curl_slist* headers_ = nullptr;
  HttpResponse response_;
  bool sent_ = false;        // the request has begun to leave
  bool sent_again_ = false;  // libcurl wanted to send it once more
  bool too_late_ = false;
  bool not_loopback_ = false;
  std::array<char, CURL_ERROR_SIZE> error_{};
};

}  // namespace rollbackd::engine
