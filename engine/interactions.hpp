#pragma once

#include <functional>
#include <string>

namespace rollbackd::engine {

// What Discord sends when somebody uses a command: a body, and the signature that vouches for it.
struct SignedBody {
  std::string signature;  // X-Signature-Ed25519: hexadecimal
  std::string timestamp;  // X-Signature-Timestamp: seconds since 1970
  std::string body;
};

// 200 with JSON for Discord; or a refusal, of which `error` and `details` say what was wrong and
// what to do.
struct InteractionAnswer {
  int status = 200;
  std::string json{};
  std::string error{};
  std::string details{};
};

inline InteractionAnswer discord_not_configured() {
  return {404,
          {},
          "Discord is not configured",
          "Put public_key, application_id, guild_id and approver_roles into the section discord of "
          "the configuration."};
}

// Where Discord's commands go in. Reactor thread only.
class Interactions {
 public:
  virtual ~Interactions() = default;
  // Answers once, from within the call.
  virtual void take(const SignedBody& request,
                    const std::function<void(InteractionAnswer)>& answer) = 0;
};

}  // namespace rollbackd::engine
