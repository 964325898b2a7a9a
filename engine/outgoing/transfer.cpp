#include "engine/outgoing/transfer.hpp"

#include <algorithm>
#include <utility>

#include "engine/fail_point.hpp"
#include "engine/steady_time.hpp"
#include "engine/utf8.hpp"
#include "engine/version.hpp"
#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

// An answer with more of them than this is not one we know.
constexpr std::size_t headers_max = 100;

constexpr std::string_view token_marks = "!#$%&'*+-.^_`|~";

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           token_marks.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(blank);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  // Only memory can be lacking here, and options that this libcurl does not know were noticed in
  // tests.
  INVARIANT(curl_easy_setopt(handle, option, value) == CURLE_OK);
}

long milliseconds(std::chrono::milliseconds duration) {
  return std::max<long>(1, static_cast<long>(duration.count()));  // 0 would mean: forever
}

}  // namespace

std::optional<std::string_view> HttpResponse::header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (same_name(known, name)) {
      return value;
    }
  }
  return std::nullopt;
}

Transfer::Transfer(HttpRequest request, HttpClient::OnDone on_done,
                   const asio::any_io_executor& answers_on)
    : request_{std::move(request)}, on_done_{std::move(on_done)}, work_{answers_on} {}

Transfer::~Transfer() {
  curl_easy_cleanup(handle_);
  curl_slist_free_all(headers_);
}

Result<Done> Transfer::prepare() {
  auto url = parse_url(request_.url);
  if (!url) {
    return url.error();
  }
  url_ = std::move(*url);
  if (!is_token(request_.method)) {
    return Error{"the method is no HTTP method", {}};
  }
  handle_ = curl_easy_init();
  if (handle_ == nullptr) {
    return Error{"out of memory", {}};
  }
  if (auto added = add_headers(); !added) {
    return added;
  }
  set(handle_, CURLOPT_PRIVATE, this);
  set(handle_, CURLOPT_ERRORBUFFER, error_.data());
  set(handle_, CURLOPT_URL, url_.text.c_str());
  set(handle_, CURLOPT_HTTPHEADER, headers_);
  set_method();
  set_limits();
  return Done{};
}

Result<Done> Transfer::add_headers() {
  std::vector<std::string> lines{"Expect:"};  // no pause before a large body
  bool has_type = false;
  bool has_agent = false;
  for (const auto& [name, value] : request_.headers) {
    if (!is_token(name) || !is_header_value(value)) {
      return Error{"a header has a line break or is none", {}};
    }
    has_type = has_type || same_name(name, "Content-Type");
    has_agent = has_agent || same_name(name, "User-Agent");
    std::string& line = lines.emplace_back(name);
    line.append(value.empty() ? ";" : ": ").append(value);  // curl's way to say an empty one
  }
  if (!has_type) {
    lines.emplace_back("Content-Type:");  // curl would say it is a form
  }
  if (!has_agent) {
    lines.push_back("User-Agent: rollbackd/" + std::string{version()});
  }
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(headers_, line.c_str());
    if (longer == nullptr) {
      return Error{"out of memory", {}};
    }
    headers_ = longer;
  }
  return Done{};
}

void Transfer::set_method() {
  if (request_.method == "HEAD") {
    set(handle_, CURLOPT_NOBODY, 1L);
    return;
  }
  if (request_.method == "POST" || !request_.body.empty()) {
    set(handle_, CURLOPT_POST, 1L);
    set(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(handle_, CURLOPT_POSTFIELDS, request_.body.data());
  }
  set(handle_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

void Transfer::set_limits() {
  set(handle_, CURLOPT_PROTOCOLS_STR, url_.is_https ? "https" : "http");
  set(handle_, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(handle_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(handle_, CURLOPT_TIMEOUT_MS, milliseconds(request_.deadline));
  set(handle_, CURLOPT_CONNECTTIMEOUT_MS,
      milliseconds(std::min(request_.connect_deadline, request_.deadline)));
  set(handle_, CURLOPT_NOSIGNAL, 1L);
  // A silent name server must not hold up the end of the program.
  set(handle_, CURLOPT_QUICK_EXIT, 1L);
  if (request_.once) {
    set(handle_, CURLOPT_FRESH_CONNECT, 1L);
    set(handle_, CURLOPT_FORBID_REUSE, 1L);
  }
  if (!url_.is_https) {
    set(handle_, CURLOPT_PROXY, "");
  }
  set(handle_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(handle_, CURLOPT_HEADERFUNCTION, &Transfer::take_header);
  set(handle_, CURLOPT_HEADERDATA, this);
  set(handle_, CURLOPT_WRITEFUNCTION, &Transfer::take_body);
  set(handle_, CURLOPT_WRITEDATA, this);
  set(handle_, CURLOPT_PREREQFUNCTION, &Transfer::about_to_send);
  set(handle_, CURLOPT_PREREQDATA, this);
}

// Connected and, with https, sure of the other side, and no byte of the request has left: the line
// between not_sent and unknown.
int Transfer::about_to_send(void* self, char* address, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (!transfer.url_.is_https && !is_loopback(address)) {
    transfer.not_loopback_ = true;
    return CURL_PREREQFUNC_ABORT;
  }
  if (transfer.sent_) {
    transfer.sent_again_ = true;
    return CURL_PREREQFUNC_ABORT;
  }
  if (transfer.request_.once) {
    fail_point("request_leaves");
  }
  if (steady_now() > transfer.request_.leave_by) {
    transfer.too_late_ = true;
    return CURL_PREREQFUNC_ABORT;
  }
  transfer.sent_ = true;
  return CURL_PREREQFUNC_OK;
}

std::size_t Transfer::take_header(char* data, std::size_t size, std::size_t count, void* self) {
  HttpResponse& response = static_cast<Transfer*>(self)->response_;
  const std::string_view line{data, size * count};
  if (line.starts_with("HTTP/")) {
    response.headers.clear();  // those before were of an interim answer
    return line.size();
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos && response.headers.size() < headers_max) {
    response.headers.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  }
  return line.size();
}

std::size_t Transfer::take_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  HttpResponse& response = transfer.response_;
  const std::size_t bytes = size * count;
  const std::size_t room = transfer.request_.answer_bytes_max - response.body.size();
  response.body.append(data, std::min(bytes, room));
  response.body_cut = bytes > room;
  return response.body_cut ? 0 : bytes;  // anything but `bytes` ends the transfer
}

std::string Transfer::described(CURLcode code) const {
  if (not_loopback_) {
    return "it is not on loopback, and plain http goes nowhere else";
  }
  if (too_late_) {
    return "the connection was ready too late, and nothing was sent over it";
  }
  if (sent_again_) {
    return "the connection ended before an answer came";
  }
  const std::string details = plain_text(error_.data());
  // libcurl's texts name hosts and ports only; should one name more, the general text has to do.
  const bool tells_secret = url_.path.size() > 1 && details.find(url_.path) != std::string::npos;
  return details.empty() || tells_secret ? curl_easy_strerror(code) : details;
}

void Transfer::finish(CURLcode code) {
  HttpOutcome outcome;
  long status = 0;
  curl_off_t took = 0;
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(handle_, CURLINFO_TOTAL_TIME_T, &took);
  outcome.took = std::chrono::microseconds{took};
  const int final_status = status >= 200 ? static_cast<int>(status) : 0;
  if (final_status != 0 && (code == CURLE_OK || response_.body_cut)) {
    response_.status = final_status;
    outcome.response = std::move(response_);
  } else {
    outcome.failure = {sent_ ? HttpFailure::Certainty::unknown : HttpFailure::Certainty::not_sent,
                       url_.origin + ": " + described(code), final_status};
  }
  deliver(std::move(outcome));
}

void Transfer::refuse(std::string what) {
  HttpOutcome outcome;
  outcome.failure = {HttpFailure::Certainty::not_sent, std::move(what), 0};
  deliver(std::move(outcome));
}

void Transfer::deliver(HttpOutcome outcome) {
  asio::post(work_.get_executor(),
             [on_done = std::move(on_done_), outcome = std::move(outcome)]() mutable {
               on_done(std::move(outcome));
             });
  work_.reset();
}

}  // namespace rollbackd::engine
