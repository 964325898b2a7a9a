#include <csignal>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "engine/app.hpp"
#include "engine/app_inspect.hpp"
#include "engine/board.hpp"
#include "engine/clock.hpp"
#include "engine/database/conninfo.hpp"
#include "engine/settings.hpp"
#include "engine/store/schema.hpp"
#include "engine/telemetry/decision_log.hpp"
#include "engine/telemetry/log.hpp"
#include "engine/telemetry/metrics.hpp"
#include "engine/telemetry/supervisor.hpp"
#include "engine/version.hpp"
#include "rules/laws.hpp"

namespace {

using namespace rollbackd;          // NOLINT(google-build-using-namespace)
using namespace rollbackd::engine;  // NOLINT(google-build-using-namespace)

// The exit codes of DESIGN.md section 6; 78 is EX_CONFIG of sysexits.h.
enum ExitCode : int { exit_ok = 0, exit_failed = 1, exit_usage = 2, exit_config = 78 };

struct Arguments {
  std::string config;
  std::string conninfo;
  std::string name;
  bool print = false;
  bool purge = false;
  bool json = false;
};

// What libpq is to understand is the business of whoever links it, not of the reader of the file.
LoadedSettings load(const std::string& file) {
  if (file.empty()) {
    return Settings{};
  }
  LoadedSettings loaded = load_settings(file);
  if (const auto* settings = std::get_if<Settings>(&loaded)) {
    if (const auto conninfo = session_conninfo({settings->database.conninfo.reveal(), {}}, "");
        !conninfo) {
      const Error& error = conninfo.error();
      return std::vector<SettingsProblem>{{0, 0, error.what + "; " + error.remedy}};
    }
  }
  return loaded;
}

// Whether stderr goes to systemd's journal, which takes a priority from the beginning of a line.
bool stderr_is_journal() {
  const char* given = std::getenv("JOURNAL_STREAM");  // NOLINT(concurrency-mt-unsafe): one thread
  struct stat about {};
  return given != nullptr && ::fstat(STDERR_FILENO, &about) == 0 &&
         std::to_string(about.st_dev) + ":" + std::to_string(about.st_ino) == given;
}

// All mistakes of the file at once, on stderr; nothing: it has some.
std::optional<Settings> settings_from(const std::string& file) {
  LoadedSettings loaded = load(file);
  if (auto* settings = std::get_if<Settings>(&loaded)) {
    return std::move(*settings);
  }
  const auto& problems = std::get<std::vector<SettingsProblem>>(loaded);
  for (const SettingsProblem& problem : problems) {
    std::cerr << (stderr_is_journal() ? "<3>" : "") << describe(file, problem) << '\n';
  }
  Supervisor::of_environment().status(describe(file, problems.front()));
  return std::nullopt;
}

ConnectionInfo connection_of(const Arguments& arguments, const Settings& settings) {
  if (!arguments.conninfo.empty()) {
    return {arguments.conninfo, {}};
  }
  return {settings.database.conninfo.reveal(), settings.database.password.reveal(),
          settings.database.password_file};
}

int fail(const Error& error) {
  std::cerr << "rollbackd: " << error.what << '\n';
  if (!error.remedy.empty()) {
    std::cerr << "  " << error.remedy << '\n';
  }
  return exit_failed;
}

// A thread that opens a connection may be held by DNS, or by a server that has stopped, for as long
// as those like. All that matters is done when the daemon has stopped.
void end_within_limit() {
  constexpr unsigned end_max_seconds = 5;
  std::signal(SIGALRM, [](int) { ::_exit(exit_ok); });
  ::alarm(end_max_seconds);
}

int run(const Arguments& arguments) {
  std::signal(SIGHUP, SIG_IGN);  // until it can be answered
  const auto settings = settings_from(arguments.config);
  if (!settings) {
    return exit_config;
  }
  StructuredLog log{settings->log};
  if (const auto broken = rules::laws_self_test()) {
    log.error("laws_self_test_failed", {{"what", *broken}});
    return exit_failed;
  }
  StatusBoard board{
      {Part::database, Part::windows, Part::journal, Part::leadership, Part::control}};
  Metrics metrics{settings->max_services};
  metrics.configuration_read(true, wall_now());
  DecisionLog observer{log, metrics};
  log.info("starting", {{"version", std::string{version()}}, {"commit", std::string{commit()}}});
  try {
    App app{*settings, {log, metrics, observer, board}, [&] { return load(arguments.config); }};
    if (const Status ended = app.run(); !ended) {
      log.error("cannot_run", {{"what", ended.error().what}, {"remedy", ended.error().remedy}});
      Supervisor::of_environment().status(ended.error().what + "; " + ended.error().remedy);
      return exit_failed;
    }
    end_within_limit();
  } catch (const std::exception& e) {
    log.error("stopped_by_error", {{"what", std::string{e.what()}}});
    return exit_failed;
  }
  log.info("stopped");
  return exit_ok;
}

int check_config(const Arguments& arguments) {
  return inspect_config(arguments.config, arguments.json);
}

int doctor(const Arguments& arguments) { inspect_surroundings(arguments.config, arguments.json); }

int explain(const Arguments& arguments) {
  const auto settings = settings_from(arguments.config);
  if (!settings) {
    return exit_config;
  }
  return inspect_event(*settings, connection_of(arguments, *settings), arguments.name,
                       arguments.json);
}

int run_install(const Arguments& arguments) {
  const auto settings = settings_from(arguments.config);
  if (!settings) {
    return exit_config;
  }
  const auto outcome =
      install(connection_of(arguments, *settings), InstallOptions{arguments.print}, std::cout);
  if (!outcome) {
    return fail(outcome.error());
  }
  if (!outcome->left_over.empty()) {
    std::cout << outcome->left_over;
  }
  return exit_ok;
}

int run_uninstall(const Arguments& arguments) {
  const auto settings = settings_from(arguments.config);
  if (!settings) {
    return exit_config;
  }
  const auto outcome = uninstall(connection_of(arguments, *settings), arguments.purge, std::cout);
  if (!outcome) {
    return fail(outcome.error());
  }
  if (!outcome->left_over.empty()) {
    std::cout << outcome->left_over;
  }
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{"Watches deployments through their errors in PostgreSQL and rolls bad ones back."};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string{version()} + " (" + std::string{commit()} + ")");
  Arguments arguments;
  int code = exit_ok;
  const auto add = [&](const char* name, const char* help, int (*what)(const Arguments&)) {
    CLI::App* command = app.add_subcommand(name, help);
    command->add_option("--config", arguments.config, "configuration file (YAML)");
    command->callback([&arguments, &code, what] { code = what(arguments); });
    return command;
  };
  add("run", "watch, decide and roll back, until SIGTERM", run);
  CLI::App* checking = add(
      "check-config", "say every mistake of the configuration file, or what counts", check_config);
  checking->get_option("--config")->required();
  CLI::App* examining =
      add("doctor", "look whether everything it needs is there and works", doctor);
  CLI::App* explaining = add(
      "explain", "tell a rollback's, or a deployment's, story from the database alone", explain);
  explaining
      ->add_option("event", arguments.name,
                   "event_id, deployment_id, a beginning of one, or version")
      ->required();
  for (CLI::App* command : {checking, examining, explaining}) {
    command->add_flag("--json", arguments.json, "print for programs");
  }
  CLI::App* installing =
      add("install", "put tables, functions and triggers into the database", run_install);
  installing->add_flag("--print", arguments.print, "print the SQL instead of running it");
  CLI::App* removing =
      add("uninstall", "remove triggers, functions and our own tables", run_uninstall);
  for (CLI::App* command : {explaining, installing, removing}) {
    command->add_option("--conninfo", arguments.conninfo, "database, as libpq reads it");
  }
  removing->add_flag("--purge", arguments.purge, "remove the other tables and their rows, too");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? exit_ok : exit_usage;
  }
  return code;
}
