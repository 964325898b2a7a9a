#include "engine/discord_commands.hpp"

#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace rollbackd::engine {
namespace {

using nlohmann::json;
namespace words = discord_words;

// Discord's numbers for what a command and an option are.
constexpr int chat_input = 1;
constexpr int subcommand = 1;
constexpr int a_text = 3;
constexpr int a_whole_number = 4;

json option(int type, std::string_view name, std::string_view description, json more) {
  more["type"] = type;
  more["name"] = name;
  more["description"] = description;
  return more;
}

json subcommand_named(std::string_view name, std::string_view description, json options) {
  return option(subcommand, name, description, {{"options", std::move(options)}});
}

json reason(std::string_view description) {
  return option(a_text, words::reason, description,
                {{"required", true}, {"min_length", 3}, {"max_length", words::reason_max}});
}

// Everybody in the server sees it, unless its settings (Integrations) say otherwise; who may use it
// is decided by the daemon.
json command(std::string_view name, std::string_view description, json subcommands) {
  return option(chat_input, name, description, {{"options", std::move(subcommands)}});
}

}  // namespace

json discord_commands() {
  const json approve = subcommand_named(
      words::rollback, "Approve the proposed rollback of a deployment, or begin one",
      {option(a_text, words::deployment_id, "The deployment to roll back: id, its start or version",
              {{"required", true}, {"autocomplete", true}, {"max_length", 100}}),
       reason("Why (it is recorded)"),
       option(a_text, words::override_option,
              "Preconditions to set aside, if your role may: migration, paused, …",
              {{"required", false}, {"autocomplete", true}, {"max_length", 100}})});
  const json status = subcommand_named(
      words::status, "What serves, how it does, pause and breakers", json::array());
  const json history = subcommand_named(
      words::history, "The last rollbacks",
      json::array({option(
          a_whole_number, words::limit, "How many",
          {{"required", false}, {"min_value", 1}, {"max_value", words::history_rows_max}})}));
  const json pause = subcommand_named(
      words::pause, "Emergency stop: nothing is rolled back until somebody resumes",
      json::array({reason("Why (it is recorded)")}));
  const json resume = subcommand_named(
      words::resume, "End the pause, or close the breaker of an environment",
      {reason("Why (it is recorded)"),
       option(a_text, words::breaker, "Close the breaker of this environment instead",
              {{"required", false}, {"autocomplete", true}, {"max_length", 100}})});
  const json help = subcommand_named(words::rollback, "How to roll back from here", json::array());
  return json::array({command(words::approve, "Approve what rollbackd proposes, or ask for it",
                              json::array({approve})),
                      command(words::rollback, "Look at rollbackd, stop it and let it go on",
                              json::array({status, history, pause, resume})),
                      command(words::help, "Help", json::array({help}))});
}

}  // namespace rollbackd::engine
