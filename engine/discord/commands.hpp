#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "engine/asio.hpp"

#include "engine/discord/following.hpp"
#include "engine/discord/interaction.hpp"
#include "engine/discord/live_message.hpp"
#include "engine/discord/replay_guard.hpp"
#include "engine/discord/signature.hpp"
#include "engine/interactions.hpp"
#include "engine/outgoing/http_client.hpp"
#include "engine/ports.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// What commands are answered from. All outlive DiscordCommands.
struct DiscordSources {
  const View& view;
  Desk& desk;
  Archive& archive;
  HttpClient& http;
  Log& log;
  asio::any_io_executor reactor;
  // This machine's time, against which Discord's signatures are held.
  std::function<rules::Instant()> wall;
  // Who leads instead of this daemon, as it calls itself; nothing: this one leads.
  std::function<std::optional<std::string>()> other_leader;
};

// The commands of engine/discord_commands.hpp, from the signed request to the answer. Reactor
// thread only. Nothing here waits: what takes longer than Discord's three seconds is answered by
// editing the message.
class DiscordCommands final : public Interactions {
 public:
  // Rollbacks that are shown at the same time.
  static constexpr std::size_t followed_max = 64;

  // Without settings.public_key every request is 404.
  DiscordCommands(DiscordSources sources, const DiscordSettings& settings, MessageTimes times = {});

  void take(const SignedBody& request,
            const std::function<void(InteractionAnswer)>& answer) override;

  // From the next request on; messages under way stay where they are.
  void use(const DiscordSettings& settings);

 private:
  using Reply = std::function<void(InteractionAnswer)>;

  void run(const Interaction& interaction, const Reply& reply);
  void approve(const Interaction& interaction, const Reply& reply);
  void set_pause(bool on, const Interaction& interaction, const Reply& reply);
  void close_breaker(const Interaction& interaction, const Reply& reply);
  void tell_history(const Interaction& interaction, const Reply& reply);
  void follow(const std::shared_ptr<LiveMessage>& message, const std::string& person,
              const rules::Rollback& rollback);

  [[nodiscard]] std::string complete(const Interaction& interaction) const;
  // Why this member may not do this; empty: they may.
  [[nodiscard]] std::string objection_to(const Interaction& interaction) const;
  // Why nobody may do it here and now, or what is missing; empty: nothing.
  [[nodiscard]] std::string objection_to_act(const Interaction& interaction) const;
  [[nodiscard]] bool may_override(const Interaction& interaction) const;
  [[nodiscard]] std::shared_ptr<LiveMessage> message_for(const Interaction& interaction) const;

  DiscordSources sources_;
  DiscordSettings settings_;
  MessageTimes times_;
  std::optional<SignatureCheck> signature_;
  ReplayGuard guard_;
  std::map<rules::EventId, std::shared_ptr<Following>> followed_;
};

}  // namespace rollbackd::engine
