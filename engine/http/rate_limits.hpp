#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/steady_time.hpp"

namespace rollbackd::engine {

// So many at once, and then so many a second.
struct RateLimit {
  double burst = 0;
  double per_second = 0;
};

// What one sender may ask for. A limit on wrong tokens makes guessing hopeless and cheap for us.
struct RateSettings {
  // Of a token; and of an address what comes without a good one. http.rate_limit and twice as many.
  RateLimit requests{2000, 1000};
  RateLimit acting{100, 10};      // of a token: what only the leader answers, because it acts
  RateLimit wrong_tokens{20, 1};  // of an address
  RateLimit all_wrong_tokens{500, 100};  // of all addresses together
  std::size_t clients_max =
      4096;  // that are told apart; then the one that was quiet longest is new

  static RateSettings of(int requests_per_second) {
    const double rate = requests_per_second;
    RateSettings chosen;
    chosen.requests = {2 * rate, rate};
    return chosen;
  }
};

// How long to wait until the next one is taken; nothing: this one was.
using Refusal = std::optional<std::chrono::seconds>;

// Counts requests. What comes with a good token counts for the token and for nothing else: who
// shares an address with somebody that floods us is served all the same. One thread.
class RateLimits {
 public:
  explicit RateLimits(const RateSettings& settings) : settings_{settings} {}

  Refusal request_with(std::string_view token, bool acts, SteadyTime now);
  // Without a token, where none is needed or none was sent.
  Refusal request_from(std::string_view client, SteadyTime now);
  Refusal wrong_token_from(std::string_view client, SteadyTime now);

  [[nodiscard]] std::size_t clients() const { return clients_.size(); }

 private:
  struct Bucket {
    double taken = 0;  // of the burst
    SteadyTime at{};

    // Takes one, or says how long to wait.
    Refusal take(const RateLimit& rate, SteadyTime now);
  };
  struct Client {
    std::string address;
    Bucket requests;
    Bucket wrong_tokens;
  };
  struct Holder {
    Bucket requests;
    Bucket acting;
  };

  Client& client(std::string_view address);

  RateSettings settings_;
  std::map<std::string, Holder, std::less<>> tokens_;  // as many as are configured
  std::list<Client> clients_;                          // who was heard last is first
  std::map<std::string, std::list<Client>::iterator, std::less<>> by_address_;
  Bucket all_wrong_tokens_;
};

}  // namespace rollbackd::engine
