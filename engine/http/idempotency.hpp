#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/http/route.hpp"

namespace rollbackd::engine {

// Does what a request with an Idempotency-Key asks for once. The same request of the same token
// within request_keys_kept gets the same answer again, with `Idempotency-Replayed: true`, also from
// the next daemon; the same key with another request is 422, and 409 while the first is under way.
// Only what was done is remembered: what was refused without a trace may be asked again. Reactor
// thread only.
class Idempotency {
 public:
  static constexpr std::size_t key_bytes_max = 255;
  // Requests with a key that are under way at the same time.
  static constexpr std::size_t under_way_max = 1024;

  // `call` is one that `route` matches and whose token may. `sources` outlives the answer.
  void answer(const ApiSources& sources, const Route& route, ApiCall call, ApiReply reply) const;

 private:
  // Of token and key: the fingerprint of the request.
  using UnderWay = std::map<std::pair<std::string, std::string>, std::string>;

  std::shared_ptr<UnderWay> under_way_ = std::make_shared<UnderWay>();
};

}  // namespace rollbackd::engine
