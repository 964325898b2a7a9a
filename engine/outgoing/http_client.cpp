#include "engine/outgoing/http_client.hpp"

#include <list>
#include <mutex>
#include <signal.h>
#include <thread>

#include <curl/curl.h>

#include "engine/outgoing/transfer.hpp"
#include "engine/outgoing/url.hpp"
#include "rules/invariant.hpp"

namespace rollbackd::engine {
namespace {

// libcurl is told of new work by a wake-up and knows its own time-outs; this is only a bound.
constexpr int poll_ms_max = 60'000;

// Idle connections that are kept for the next request of their host.
constexpr long idle_connections_max = 8;

void set_up_libcurl() {
  static std::once_flag once;
  std::call_once(once, [] { INVARIANT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
}

}  // namespace

// The thread and all that libcurl has. Others only add to `waiting_`.
class HttpClient::Worker {
 public:
  explicit Worker(asio::any_io_executor answers_on) : answers_on_{std::move(answers_on)} {
    set_up_libcurl();
    multi_ = curl_multi_init();
    INVARIANT(multi_ != nullptr);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, idle_connections_max);
    thread_ = std::thread{[this] { run(); }};
  }

  ~Worker() {
    {
      const std::lock_guard lock{mutex_};
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    curl_multi_cleanup(multi_);
  }

  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void send(HttpRequest request, OnDone on_done) {
    auto transfer = std::make_unique<Transfer>(std::move(request), std::move(on_done), answers_on_);
    std::unique_lock lock{mutex_};
    if (count_ >= requests_max) {
      lock.unlock();
      transfer->refuse("too many requests are under way: " + std::to_string(requests_max));
      return;
    }
    ++count_;
    waiting_.push_back(std::move(transfer));
    lock.unlock();
    curl_multi_wakeup(multi_);
  }

 private:
  using Transfers = std::list<std::unique_ptr<Transfer>>;

  void run() {
    // Signals are the reactor's; a connection that breaks must not end the program by SIGPIPE.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    while (start_waiting()) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      finish_ended();
      curl_multi_poll(multi_, nullptr, 0, poll_ms_max, nullptr);
    }
    for (const auto& transfer : under_way_) {
      curl_multi_remove_handle(multi_, transfer->handle());
    }
    under_way_.clear();
  }

  // False: it is over.
  bool start_waiting() {
    Transfers starting;
    {
      const std::lock_guard lock{mutex_};
      if (stopping_) {
        return false;
      }
      starting.swap(waiting_);
    }
    while (!starting.empty()) {
      Transfer& transfer = *starting.front();
      if (auto prepared = transfer.prepare(); !prepared) {
        const Error& error = prepared.error();
        forget_one();
        transfer.refuse(error.remedy.empty() ? error.what : error.what + "; " + error.remedy);
        starting.pop_front();
        continue;
      }
      INVARIANT(curl_multi_add_handle(multi_, transfer.handle()) == CURLM_OK);
      under_way_.splice(under_way_.end(), starting, starting.begin());
    }
    return true;
  }

  void finish_ended() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) {
        continue;
      }
      const CURLcode code = message->data.result;  // the message does not outlive the handle
      CURL* handle = message->easy_handle;
      curl_multi_remove_handle(multi_, handle);
      for (auto i = under_way_.begin(); i != under_way_.end(); ++i) {
        if ((*i)->handle() == handle) {
          forget_one();
          (*i)->finish(code);
          under_way_.erase(i);
          break;
        }
      }
    }
  }

  void forget_one() {
    const std::lock_guard lock{mutex_};
    --count_;
  }

  asio::any_io_executor answers_on_;
  CURLM* multi_ = nullptr;
  Transfers under_way_;  // the thread's
  std::mutex mutex_;
  Transfers waiting_;      // guarded by mutex_, as what follows
  std::size_t count_ = 0;  // waiting and under way
  bool stopping_ = false;
  std::thread thread_;
};

HttpClient::HttpClient(asio::any_io_executor answers_on)
    : worker_{std::make_unique<Worker>(std::move(answers_on))} {}

HttpClient::~HttpClient() = default;

void HttpClient::send(HttpRequest request, OnDone on_done) {
  worker_->send(std::move(request), std::move(on_done));
}

std::string origin_of(const std::string& url) {
  const auto parsed = parse_url(url);
  return parsed ? parsed->origin : "the URL";
}

}  // namespace rollbackd::engine
