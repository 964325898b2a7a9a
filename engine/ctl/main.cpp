#include <csignal>
#include <iostream>

#include <CLI/CLI.hpp>

#include "engine/ctl/client.hpp"
#include "engine/ctl/commands.hpp"
#include "engine/ctl/discord_register.hpp"
#include "engine/settings_values.hpp"
#include "engine/version.hpp"

namespace {

using namespace rollbackd;       // NOLINT(google-build-using-namespace)
using namespace rollbackd::ctl;  // NOLINT(google-build-using-namespace)

struct Flags {
  std::string server;
  std::string token;
  std::string file;
  std::string timeout = "6m";
};

using Command = int (*)(Client&, const Arguments&);

// Adds the commands, and what each takes.
class Commands {
 public:
  Commands(CLI::App& app, Arguments& arguments, Command& chosen)
      : app_{app}, arguments_{arguments}, chosen_{chosen} {}

  CLI::App* add(const char* name, const char* help, Command what) {
    CLI::App* command = app_.add_subcommand(name, help);
    command->add_flag("--json", arguments_.json, "print what the daemon answered");
    command->callback([this, what] { chosen_ = what; });
    return command;
  }

  void add_all(Flags& flags);

 private:
  CLI::App* needs_reason(CLI::App* command) {
    command->add_option("--reason", arguments_.reason, "why; it is recorded")->required();
    return command;
  }

  void add_looks();
  void add_acts();
  void add_pipeline(Flags& flags);
  void add_completion();

  CLI::App& app_;
  Arguments& arguments_;
  Command& chosen_;
};

void Commands::add_looks() {
  add("status", "services with version, rates and state; pause and breakers", status);
  add("watch", "the same, renewed until Ctrl-C", watch);
  add("check", "whether a deployment should be rolled back (exit code 3: yes)", check)
      ->add_option("deployment", arguments_.name, "version, deployment_id or its beginning")
      ->required();
  CLI::App* list = add("deployments", "the last deployments", deployments);
  CLI::App* past = add("history", "the last rollbacks", history);
  for (CLI::App* command : {list, past}) {
    command->add_option("--limit", arguments_.limit, "rows")->check(CLI::Range(1, 1000));
    command->add_option("--environment", arguments_.environment, "only of this one");
    command->add_option("--service", arguments_.service, "only of this one");
    command->add_option("--status", arguments_.status, "only with this one");
  }
  list->add_option("--version", arguments_.version, "only of this one");
  add("show", "one rollback: evidence, validation, steps", show)
      ->add_option("event", arguments_.name, "event_id or its beginning")
      ->required();
}

void Commands::add_acts() {
  CLI::App* back = needs_reason(add("rollback", "roll a deployment back", rollback));
  back->add_option("deployment", arguments_.name, "version, deployment_id or its beginning")
      ->required();
  back->add_flag("--yes", arguments_.yes, "do not ask");
  back->add_flag("--dry-run", arguments_.dry_run, "only show plan and validation");
  back->add_flag("--revert-migrations", arguments_.revert_migrations,
                 "run the rollback scripts of the migrations since the target");
  back->add_option("--override", arguments_.overrides,
                   "set this precondition aside (scope override); may be repeated")
      ->allow_extra_args(false);  // what follows may be the deployment
  back->add_option("--initiated-by", arguments_.initiated_by, "a person's uuid");
  for (CLI::App* command :
       {needs_reason(add("approve", "turn a proposal into the rollback", approve)),
        needs_reason(add("abort", "stop a rollback before its dispatch, or a proposal", abort))}) {
    command->add_option("event", arguments_.name, "event_id or its beginning")->required();
  }
  needs_reason(add("pause", "the emergency stop: nothing is rolled back", pause));
  CLI::App* go_on = add("resume", "end the pause, or close a breaker", resume);
  go_on->add_option("--reason", arguments_.reason, "why; it is recorded");
  go_on->add_option("--breaker", arguments_.breaker, "close the breaker of this environment");
}

void Commands::add_pipeline(Flags& flags) {
  CLI::App* recording = add("record", "record a deployment, or change its status", record);
  recording->add_option("--environment", arguments_.environment, "for example production");
  recording->add_option("--service", arguments_.service, "default: app");
  recording->add_option("--version", arguments_.version, "for example v2.5.3");
  recording->add_option("--commit", arguments_.commit, "its git commit");
  recording->add_option("--branch", arguments_.branch, "its git branch");
  recording->add_option("--status", arguments_.status,
                        "pending, in_progress (default) or success; with --deployment also failed");
  recording->add_option("--deployment", arguments_.deployment, "change this one");
  CLI::App* gating =
      add("gate", "wait out a deployment's probation (exit code 3: rolled back)", gate);
  gating->add_option("deployment", arguments_.name, "version, deployment_id or its beginning")
      ->required();
  gating->add_option("--timeout", flags.timeout, "for example 6m");
}

// For the shells' completions only: without a name in the help.
void Commands::add_completion() {
  CLI::App* completing = add("complete", "print what could stand here", complete);
  completing->group("");
  completing->add_option("what", arguments_.name, "deployments, events or environments")
      ->required();
}

void Commands::add_all(Flags& flags) {
  add_looks();
  add_acts();
  add_pipeline(flags);
  add_completion();
}

bool is_whole(const Arguments& arguments, Command chosen) {
  if (chosen != record) {
    return true;
  }
  const bool is_change = !arguments.deployment.empty();
  const bool is_new = !arguments.environment.empty() && !arguments.version.empty() &&
                      !arguments.commit.empty() && !arguments.branch.empty();
  if (is_change ? arguments.status.empty() : !is_new) {
    std::cerr << "rollbackctl: record needs --environment, --version, --commit and --branch, or "
                 "--deployment and --status\n";
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Looks at rollbackd and steers it."};
  app.require_subcommand(1);
  app.set_version_flag("-V,--version",
                       std::string{engine::version()} + " (" + std::string{engine::commit()} + ")");
  Flags flags;
  Arguments arguments;
  Command chosen = nullptr;
  app.add_option("--server", flags.server, "default: ROLLBACKD_SERVER, else http://127.0.0.1:9641");
  app.add_option("--token", flags.token, "default: ROLLBACKD_TOKEN");
  app.add_option("--config", flags.file,
                 "lines server: and token: or token_file:; default: ~/.config/rollbackctl.yaml");
  app.fallthrough();
  Commands commands{app, arguments, chosen};
  commands.add_all(flags);
  DiscordArguments discord;
  add_discord(app, discord);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? exit_ok : exit_usage;
  }
  if (discord.chosen) {
    return register_commands(discord);
  }
  const auto timeout = engine::duration_named(flags.timeout);
  if (!timeout) {
    std::cerr << "rollbackctl: --timeout is " << flags.timeout
              << ", expected a duration such as 90s or 6m\n";
    return exit_usage;
  }
  arguments.timeout = std::chrono::duration_cast<std::chrono::seconds>(*timeout);
  if (!is_whole(arguments, chosen)) {
    return exit_usage;
  }
  auto access = access_of(flags.server, flags.token, flags.file);
  if (!access) {
    std::cerr << "rollbackctl: " << access.error().what << "; " << access.error().remedy << '\n';
    return exit_usage;
  }
  access->json = arguments.json;
  Client client{std::move(*access)};
  return chosen(client, arguments);
}
