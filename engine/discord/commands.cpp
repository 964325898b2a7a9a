#include "engine/discord/commands.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "engine/discord/choices.hpp"
#include "engine/discord/progress.hpp"
#include "engine/discord/replies.hpp"
#include "engine/discord/texts.hpp"
#include "engine/discord_commands.hpp"
#include "engine/utf8.hpp"

namespace rollbackd::engine {
namespace {

namespace words = discord_words;

constexpr std::size_t person_name_max = 64;  // of a person, bytes

InteractionAnswer unauthorized(std::string details) {
  return {401, {}, "Invalid request signature", std::move(details)};
}

InteractionAnswer good(std::string json) { return {200, std::move(json), {}, {}}; }

InteractionAnswer notice(const std::string& text) { return good(notice_json(text)); }

// How a person is shown: Discord puts the name there, and notifies nobody.
std::string mention(const Interaction& interaction) { return "<@" + interaction.user + ">"; }

// How a person is recorded.
std::string recorded(const Interaction& interaction) {
  std::string name = plain_text(interaction.user_name);
  std::replace(name.begin(), name.end(), '\n', ' ');
  return "discord:" + interaction.user +
         (name.empty() ? "" : " (" + cut_end(name, person_name_max) + ")");
}

// Nothing that PostgreSQL or a terminal would refuse or obey.
std::string reason_of(const Interaction& interaction) {
  const std::string text = plain_text(interaction.option(words::reason));
  const std::size_t begin = text.find_first_not_of(" \n\t");
  return begin == std::string::npos ? "" : text.substr(begin);
}

bool is_help(const Interaction& interaction) { return interaction.command == words::help; }

bool has_one_of(const Interaction& interaction, const std::vector<std::string>& roles) {
  return std::any_of(interaction.roles.begin(), interaction.roles.end(), [&](const auto& role) {
    return std::find(roles.begin(), roles.end(), role) != roles.end();
  });
}

int limit_of(const Interaction& interaction) {
  const std::string_view typed = interaction.option(words::limit);
  int limit = words::history_rows;
  std::from_chars(typed.data(), typed.data() + typed.size(), limit);
  return std::clamp(limit, 1, words::history_rows_max);
}

}  // namespace

DiscordCommands::DiscordCommands(DiscordSources sources, const DiscordSettings& settings,
                                 MessageTimes times)
    : sources_{std::move(sources)}, times_{times}, guard_{rules::second_of(sources_.wall())} {
  use(settings);
}

void DiscordCommands::use(const DiscordSettings& settings) {
  settings_ = settings;
  signature_.reset();
  if (settings.public_key) {
    signature_.emplace(*settings.public_key);
  }
}

void DiscordCommands::take(const SignedBody& request, const Reply& reply) {
  if (!signature_) {
    return reply(discord_not_configured());
  }
  const auto made = signed_second(request.timestamp);
  if (!made || !signature_->is_signed(request)) {
    return reply(
        unauthorized("Only Discord may ask here: X-Signature-Ed25519 and X-Signature-Timestamp are "
                     "missing, or do not fit the body and discord.public_key."));
  }
  const rules::Second now = rules::second_of(sources_.wall());
  if (!guard_.is_fresh(*made, now)) {
    sources_.log.warning("discord_request_stale",
                         {{"signed_seconds_ago", now - *made},
                          {"remedy", std::string{"is this machine's clock right?"}}});
    return reply(unauthorized("It was signed " + std::to_string(now - *made) +
                              " s ago by this machine's clock, or before rollbackd started."));
  }
  const auto read = read_interaction(request.body);
  if (!read) {
    return reply({400, {}, "Invalid interaction", "As Discord sends them: " + read.error().what});
  }
  const Interaction& interaction = *read;
  if (!guard_.take(interaction.id, *made, now)) {
    sources_.log.warning("discord_request_replayed", {{"interaction", interaction.id}});
    return reply(unauthorized("This interaction was taken before."));
  }
  run(interaction, reply);
}

void DiscordCommands::run(const Interaction& interaction, const Reply& reply) {
  if (interaction.application != settings_.application_id) {
    sources_.log.error("discord_application_unknown",
                       {{"application", plain_text(interaction.application.substr(0, 20))},
                        {"configured", settings_.application_id}});
  }
  if (interaction.kind == InteractionKind::ping) {
    return reply(good(pong_json()));
  }
  if (interaction.kind == InteractionKind::other) {
    return reply(notice("❓ rollbackd knows commands only."));
  }
  const std::string objection = objection_to(interaction);
  if (interaction.kind == InteractionKind::autocomplete) {
    return reply(good(objection.empty() ? complete(interaction) : choices_json({})));
  }
  sources_.log.info("discord_command", {{"command", interaction.command},
                                        {"subcommand", interaction.subcommand},
                                        {"by", recorded(interaction)},
                                        {"allowed", objection.empty()}});
  const auto is = [&](std::string_view command, std::string_view subcommand) {
    return interaction.command == command && interaction.subcommand == subcommand;
  };
  if (!objection.empty()) {
    reply(notice(objection));
  } else if (is(words::approve, words::rollback)) {
    approve(interaction, reply);
  } else if (is(words::rollback, words::status)) {
    reply(good(answer_json(status_text(sources_.view, sources_.other_leader()))));
  } else if (is(words::rollback, words::history)) {
    tell_history(interaction, reply);
  } else if (is(words::rollback, words::pause)) {
    set_pause(true, interaction, reply);
  } else if (is(words::rollback, words::resume)) {
    interaction.option(words::breaker).empty() ? set_pause(false, interaction, reply)
                                               : close_breaker(interaction, reply);
  } else if (is(words::help, words::rollback)) {
    reply(notice(help_text()));
  } else {
    reply(
        notice("❓ This version of rollbackd has no such command. `rollbackctl discord register` "
               "registers those that it has."));
  }
}

std::string DiscordCommands::objection_to(const Interaction& interaction) const {
  if (interaction.application != settings_.application_id) {
    return "⛔ This command belongs to another application than `discord.application_id` of "
           "rollbackd's configuration.";
  }
  if (interaction.guild != settings_.guild_id) {
    return "⛔ rollbackd takes commands from one server only, which this is not "
           "(`discord.guild_id`).";
  }
  if (is_help(interaction) || has_one_of(interaction, settings_.approver_roles) ||
      may_override(interaction)) {
    return {};
  }
  return "⛔ You have none of the roles that may do this (`discord.approver_roles`). Ask somebody "
         "who has, or an administrator of rollbackd. Nothing was changed.";
}

std::string DiscordCommands::objection_to_act(const Interaction& interaction) const {
  if (const auto leader = sources_.other_leader()) {
    return leader->empty() ? "💤 No rollbackd leads at this moment. Nothing was changed; ask again."
                           : "💤 This is a standby of rollbackd. The Interactions Endpoint URL has "
                             "to lead to the one that leads. Nothing was changed.";
  }
  if (reason_of(interaction).empty()) {
    return "❓ Say why: `reason` is recorded. Nothing was changed.";
  }
  return {};
}

bool DiscordCommands::may_override(const Interaction& interaction) const {
  return has_one_of(interaction, settings_.override_roles);
}

std::string DiscordCommands::complete(const Interaction& interaction) const {
  const std::string_view typed = interaction.option(interaction.focused);
  if (interaction.focused == words::deployment_id) {
    return choices_json(deployment_choices(sources_.view, typed));
  }
  if (interaction.focused == words::override_option && may_override(interaction)) {
    return choices_json(override_choices(typed));
  }
  if (interaction.focused == words::breaker && may_override(interaction)) {
    return choices_json(breaker_choices(sources_.view, typed));
  }
  return choices_json({});
}

std::shared_ptr<LiveMessage> DiscordCommands::message_for(const Interaction& interaction) const {
  MessagePlace place{
      settings_.api_url + "/webhooks/" + settings_.application_id + "/" + interaction.token,
      settings_.webhook_url.reveal()};
  return std::make_shared<LiveMessage>(sources_.reactor, sources_.http, sources_.log,
                                       std::move(place), times_);
}

// One request does both: where a rollback of the deployment is proposed, it takes the proposal
// over.
void DiscordCommands::approve(const Interaction& interaction, const Reply& reply) {
  if (const std::string objection = objection_to_act(interaction); !objection.empty()) {
    return reply(notice(objection));
  }
  const auto meant = deployment_meant(sources_.view, interaction.option(words::deployment_id));
  if (const auto* unclear = std::get_if<std::string>(&meant)) {
    return reply(notice(*unclear));
  }
  const auto overrides = overrides_meant(interaction.option(words::override_option));
  if (const auto* unclear = std::get_if<std::string>(&overrides)) {
    return reply(notice(*unclear));
  }
  rules::ManualRequest wanted;
  wanted.deployment = std::get<rules::DeploymentId>(meant);
  wanted.reason = reason_of(interaction);
  wanted.initiated_by = recorded(interaction);
  wanted.overrides = std::get<std::vector<rules::Reason>>(overrides);
  if (!wanted.overrides.empty() && !may_override(interaction)) {
    return reply(notice(
        "⛔ You have none of the roles that may set preconditions aside (`discord.override_roles`). "
        "Nothing was changed."));
  }
  if (followed_.size() >= followed_max) {
    return reply(
        notice("⏳ Too many rollbacks are being shown here already. Nothing was changed; "
               "`rollbackctl rollback` works."));
  }
  reply(good(deferred_json()));
  sources_.desk.ask(wanted, [this, message = message_for(interaction),
                             person = mention(interaction)](const rules::Answer& answer) {
    if (answer.kind == rules::Answer::Kind::accepted && answer.rollback) {
      follow(message, person, *answer.rollback);
    } else {
      message->show(refused_text(answer, person));
    }
  });
}

void DiscordCommands::follow(const std::shared_ptr<LiveMessage>& message, const std::string& person,
                             const rules::Rollback& rollback) {
  const auto following = std::make_shared<Following>(
      sources_.reactor, rollback,
      Following::Story{message, person, sources_.other_leader,
                       [this, event = rollback.id] { followed_.erase(event); }});
  followed_.insert_or_assign(rollback.id, following);
  following->begin(sources_.desk);
}

void DiscordCommands::set_pause(bool on, const Interaction& interaction, const Reply& reply) {
  if (const std::string objection = objection_to_act(interaction); !objection.empty()) {
    return reply(notice(objection));
  }
  reply(good(deferred_json()));
  sources_.desk.ask(rules::PauseRequest{0, on, reason_of(interaction), recorded(interaction)},
                    [message = message_for(interaction),
                     person = mention(interaction)](const rules::Answer& answer) {
                      message->show(answer.kind == rules::Answer::Kind::accepted
                                        ? pause_text(answer.pause, person)
                                        : refused_text(answer, person));
                    });
}

void DiscordCommands::close_breaker(const Interaction& interaction, const Reply& reply) {
  std::string objection = objection_to_act(interaction);
  if (objection.empty() && !may_override(interaction)) {
    objection = "⛔ Closing a breaker needs one of `discord.override_roles`. Nothing was changed.";
  }
  if (!objection.empty()) {
    return reply(notice(objection));
  }
  reply(good(deferred_json()));
  const std::string environment{interaction.option(words::breaker)};
  sources_.desk.ask(
      rules::CloseBreakerRequest{0, environment, reason_of(interaction), recorded(interaction)},
      [message = message_for(interaction), person = mention(interaction),
       environment](const rules::Answer& answer) {
        message->show(answer.kind == rules::Answer::Kind::accepted
                          ? breaker_text(environment, person)
                          : refused_text(answer, person));
      });
}

void DiscordCommands::tell_history(const Interaction& interaction, const Reply& reply) {
  reply(good(deferred_json()));
  HistoryQuery query;
  query.limit = limit_of(interaction);
  sources_.archive.history(query, [message = message_for(interaction)](
                                      const Result<std::optional<std::string>>& rows) {
    message->show(rows ? history_text(rows.value().value_or("[]"))
                       : "⚠️ The database cannot be read at this moment: `/rollback status` is "
                         "answered from memory.");
  });
}

}  // namespace rollbackd::engine
