#include "engine/http/rate_limits.hpp"

#include <algorithm>
#include <cmath>

#include "engine/asio.hpp"

namespace rollbackd::engine {
namespace {

// One machine has a whole /64 of IPv6: its addresses are one client's. Others are their own.
std::string network_of(std::string_view address) {
  constexpr std::size_t network_bytes = 8;
  boost::system::error_code error;
  const auto parsed = asio::ip::make_address(std::string{address}, error);
  if (error || !parsed.is_v6() || parsed.to_v6().is_v4_mapped()) {
    return std::string{address};
  }
  auto bytes = parsed.to_v6().to_bytes();
  std::fill(bytes.begin() + network_bytes, bytes.end(), std::uint8_t{0});
  return asio::ip::address_v6{bytes}.to_string();
}

}  // namespace

Refusal RateLimits::Bucket::take(const RateLimit& rate, SteadyTime now) {
  const std::chrono::duration<double> passed = now - at;
  taken = std::max(0.0, taken - passed.count() * rate.per_second);
  at = now;
  if (taken + 1 <= rate.burst) {
    taken += 1;
    return std::nullopt;
  }
  const double wait = std::ceil((taken + 1 - rate.burst) / rate.per_second);
  return std::chrono::seconds{std::max(1L, std::lround(wait))};
}

Refusal RateLimits::request_with(std::string_view token, bool acts, SteadyTime now) {
  auto found = tokens_.find(token);
  if (found == tokens_.end()) {
    found = tokens_.emplace(std::string{token}, Holder{}).first;
  }
  const Refusal refused = found->second.requests.take(settings_.requests, now);
  return refused || !acts ? refused : found->second.acting.take(settings_.acting, now);
}

Refusal RateLimits::request_from(std::string_view address, SteadyTime now) {
  return client(address).requests.take(settings_.requests, now);
}

Refusal RateLimits::wrong_token_from(std::string_view address, SteadyTime now) {
  const Refusal refused = client(address).wrong_tokens.take(settings_.wrong_tokens, now);
  return refused ? refused : all_wrong_tokens_.take(settings_.all_wrong_tokens, now);
}

RateLimits::Client& RateLimits::client(std::string_view address) {
  const std::string network = network_of(address);
  if (const auto found = by_address_.find(network); found != by_address_.end()) {
    clients_.splice(clients_.begin(), clients_, found->second);
    return clients_.front();
  }
  if (clients_.size() >= settings_.clients_max) {
    by_address_.erase(clients_.back().address);
    clients_.pop_back();
  }
  clients_.push_front({network, {}, {}});
  by_address_.emplace(network, clients_.begin());
  return clients_.front();
}

}  // namespace rollbackd::engine
