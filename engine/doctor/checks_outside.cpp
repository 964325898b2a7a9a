// What is asked elsewhere. Nothing that deploys is asked anything.

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "engine/doctor/checks.hpp"
#include "engine/outgoing/discord_rest.hpp"
#include "engine/outgoing/url.hpp"
#include "engine/settings_values.hpp"

namespace rollbackd::engine {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds answered_within{8};

struct HostAndPort {
  std::string host;
  std::string port;
};

// Of "https://host", "https://host:8443" or "https://[::1]:8443".
HostAndPort parts_of(const Url& url) {
  std::string rest = url.origin.substr(url.origin.find("://") + 3);
  const std::size_t bracket = rest.find(']');
  const std::size_t colon = rest.find(':', bracket == std::string::npos ? 0 : bracket);
  HostAndPort parts{rest.substr(0, colon), url.is_https ? "443" : "80"};
  if (colon != std::string::npos) {
    parts.port = rest.substr(colon + 1);
  }
  if (parts.host.starts_with('[')) {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  }
  return parts;
}

// Why the host's address cannot be found; empty: it can.
std::string resolving_error(const HostAndPort& parts) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(parts.host.c_str(), parts.port.c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, &::freeaddrinfo};
  return error == 0 ? "" : ::gai_strerror(error);
}

HttpOutcome get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.deadline = answered_within;
  return ask_and_wait(std::move(request));
}

std::string text_in(const HttpResponse& response, const char* key) {
  const json body = json::parse(response.body, nullptr, false);
  return body.is_object() && body.contains(key) && body[key].is_string()
             ? body[key].get<std::string>()
             : "";
}

}  // namespace

Findings check_webhook(Patient& patient) {
  Findings found;
  for (const Deploying& each : deploying(patient.settings)) {
    if (each.policy.executor != "webhook") {
      continue;
    }
    const auto url = parse_url(each.execution.webhook.url.reveal());
    if (!url) {
      found.push_back(failed("rollback.webhook.url of " + each.whose + " " + url.error().what,
                             url.error().remedy));
      continue;
    }
    const std::string error = resolving_error(parts_of(*url));
    found.push_back(
        error.empty()
            ? fine(url->origin + " of " + each.whose + " has an address; it is not called to try")
            : failed(url->origin + " of " + each.whose + " has no address: " + error,
                     "correct rollback.webhook.url, or the name service"));
  }
  if (found.empty()) {
    found.push_back(skipped("nobody has the executor webhook"));
  }
  return found;
}

Findings check_health_url(Patient& patient) {
  Findings found;
  for (const Deploying& each : deploying(patient.settings)) {
    const std::string& url = each.execution.health_url;
    if (url.empty()) {
      continue;
    }
    const HttpOutcome outcome = get(url);
    const std::string what = "rollback.verify.health_url of " + each.whose;
    if (outcome.response && outcome.response->is_success()) {
      found.push_back(fine(what + " answers " + std::to_string(outcome.response->status)));
    } else {
      found.push_back(
          warning(what + (outcome.response ? " answers " + std::to_string(outcome.response->status)
                                           : ": " + outcome.failure.what),
                  "no rollback is verified until it answers 2xx: correct the URL or the service"));
    }
  }
  if (found.empty()) {
    found.push_back(skipped("rollback.verify.health_url is not set"));
  }
  return found;
}

Findings check_discord(Patient& patient) {
  const Secret& url = patient.settings.discord.webhook_url;
  if (url.empty()) {
    return {skipped("notify.discord is not set: nobody is told")};
  }
  const HttpOutcome outcome = get(url.reveal());
  if (!outcome.response) {
    return {failed(outcome.failure.what, "look at the network, the proxy and the name service")};
  }
  const HttpResponse& answer = *outcome.response;
  const std::string said = "Discord answers " + std::to_string(answer.status);
  if (answer.status == 200 && !text_in(answer, "channel_id").empty()) {
    return {fine("the webhook \"" + text_in(answer, "name") + "\" is there, of the channel " +
                 text_in(answer, "channel_id"))};
  }
  if (answer.status == 401 || answer.status == 404) {
    return {failed(said + ": the webhook does not exist",
                   "make a new one in the channel's settings, and put its URL into "
                   "notify.discord.webhook_url")};
  }
  if (answer.status == 429) {
    return {warning(said + ": it asks to wait", "try again later")};
  }
  return {failed(said + ", which is no webhook's answer",
                 "notify.discord.webhook_url has to be https://discord.com/api/webhooks/…")};
}

Findings check_discord_commands(Patient& patient) {
  const DiscordSettings& wanted = patient.settings.discord;
  if (!wanted.public_key) {
    return {skipped("discord is not set: no command is taken")};
  }
  if (wanted.bot_token.empty()) {
    return {skipped("discord.bot_token is not set: the application cannot be asked for")};
  }
  HttpRequest request;
  request.url = wanted.api_url + "/applications/@me";
  request.deadline = answered_within;
  request.headers = discord_headers();
  request.headers.emplace_back("Authorization", "Bot " + wanted.bot_token.reveal());
  const HttpOutcome outcome = ask_and_wait(std::move(request));
  if (!outcome.response) {
    return {failed(outcome.failure.what, "look at the network, the proxy and the name service")};
  }
  const HttpResponse& answer = *outcome.response;
  if (answer.status != 200) {
    const std::string said = "Discord answers " + std::to_string(answer.status);
    return {answer.status == 401 ? failed(said + ": the bot's token is not valid",
                                          "copy it again from the page \"Bot\" of the application")
                                 : warning(said, "try again later")};
  }
  if (text_in(answer, "id") != wanted.application_id) {
    return {failed("the bot's token is of the application " + text_in(answer, "id"),
                   "discord.application_id and bot_token have to be of one application")};
  }
  std::array<std::uint8_t, 32> key{};
  if (!read_hex(text_in(answer, "verify_key"), key) || key != *wanted.public_key) {
    return {failed("discord.public_key is not this application's, so that every command is refused",
                   "copy it from the page \"General Information\"")};
  }
  return {
      fine("the application \"" + text_in(answer, "name") + "\" signs with discord.public_key")};
}

}  // namespace rollbackd::engine
