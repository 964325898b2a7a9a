#include "tests/torture/rows.hpp"

#include <chrono>

#include "engine/time_text.hpp"

namespace rollbackd::tests::torture {
namespace {

// One of these is the message of most rows; each is hard on somebody who parses it.
const std::vector<std::string>& messages() {
  static const std::vector<std::string> all{"it broke",
                                            "",
                                            "a 'quoted' \"one\" \\ {with} %s",
                                            "line\nline\ttab",
                                            "ünïcödé 服务 🔥",
                                            std::string(3000, 'x')};
  return all;
}

std::string seconds_text(double seconds) {
  return "now() + interval '" + std::to_string(seconds) + " s'";
}

// How far from now the row's own time is.
double offset_of(Random& random) {
  const double part = static_cast<double>(random.next() % 1'000'000) / 1e6;
  switch (random.between(0, 9)) {
    case 0:
    case 1:
      return -300 * part;
    case 2:
      return 90 * part;
    case 3: {  // the edges of the windows, within a second
      static const std::vector<double> edges{-300, -60, 0, 60};
      return random.pick(edges) + 2 * part - 1;
    }
    case 4:
      return -5 * part;
    default:
      return 0;
  }
}

}  // namespace

const LogTable& own_log() {
  static const LogTable table{"ops.system_logs",
                              "timestamp, severity, message, environment, service, deployment_id,"
                              " source",
                              "('error', 'critical')",
                              "error",
                              "critical",
                              "info",
                              false};
  return table;
}

const LogTable& other_log() {
  static const LogTable table{"torture.lines",
                              "happened, level, said, env, svc, deploy, made_by",
                              "('ERROR', 'FATAL')",
                              "ERROR",
                              "FATAL",
                              "NOTICE",
                              true};
  return table;
}

std::string other_log_ddl() {
  return "create table torture.lines (line bigserial primary key, happened timestamptz, level text,"
         " said text, env text, svc text, deploy uuid, made_by text) partition by hash (line);"
         "create table torture.lines_0 partition of torture.lines"
         " for values with (modulus 2, remainder 0);"
         "create table torture.lines_1 partition of torture.lines"
         " for values with (modulus 2, remainder 1)";
}

std::string watch_other_log() {
  return "select unnest(ops.watch_error_log('torture.lines', p_key => 'line',"
         " p_timestamp => 'happened', p_severity => 'level', p_message => 'said',"
         " p_environment => 'env', p_service => 'svc', p_deployment_id => 'deploy',"
         " p_severities => '{ERROR,FATAL}'))";
}

const LogTable& Rows::table() {
  return with_other_log_ && random_.one_in(4) ? other_log() : own_log();
}

std::string Rows::time(const LogTable& table) {
  if (random_.one_in(100)) {
    static const std::vector<std::string> unusable{
        "'infinity'::timestamptz", "'-infinity'::timestamptz", "'290000-01-01'::timestamptz",
        "'4000-01-01 BC'::timestamptz", "now() + interval '1 year'"};
    return table.null_times && random_.one_in(3) ? "null" : random_.pick(unusable);
  }
  const double offset = offset_of(random_);
  return offset == 0 ? "clock_timestamp()" : seconds_text(offset);
}

std::string Rows::deployment() {
  const std::int64_t kind = random_.between(0, 19);
  if (kind < 7) {
    const auto known = world_.any(random_);
    return known ? quoted(*known) + "::uuid" : "null::uuid";
  }
  return kind == 7 ? quoted(world_.to_come(random_)) + "::uuid" : "null::uuid";
}

Insertion Rows::some(int n) {
  const LogTable& log = table();
  Insertion made;
  made.sql = "insert into " + log.name + " (" + log.columns + ") values ";
  for (int i = 0; i < n; ++i) {
    const ServiceName& service = random_.pick(World::services());
    const bool counts = !random_.one_in(10);
    const std::string& severity =
        !counts ? log.info : (random_.one_in(5) ? log.critical : log.error);
    made.sql += (i == 0 ? "(" : ", (") + time(log) + ", " + quoted(severity) + ", " +
                quoted(random_.pick(messages())) + ", " + quoted(service.environment) + ", " +
                quoted(service.name) + ", " + deployment() + ", 'some')";
    made.events += counts ? 1 : 0;
  }
  return made;
}

Insertion Rows::infos(int n) {
  const LogTable& log = table();
  return {"insert into " + log.name + " (" + log.columns + ") select now(), " + quoted(log.info) +
              ", 'fine', 'production', 'app', null, 'infos' from generate_series(1, " +
              std::to_string(n) + ")",
          0};
}

Insertion Rows::bulk(int n) {
  const LogTable& log = table();
  const ServiceName& service = random_.pick(World::services());
  std::string from = "-335";
  std::string width = "60";  // of which two thirds have a last look at the window
  if (n <= 20'000 && random_.one_in(4)) {
    from = random_.one_in(2) ? "-80" : "-10";
    width = "95";
  }
  return {"insert into " + log.name + " (" + log.columns + ") select now() + (" + from + " + " +
              width + " * random()) * interval '1 s', " + quoted(log.error) + ", 'bulk', " +
              quoted(service.environment) + ", " + quoted(service.name) + ", " + deployment() +
              ", 'bulk' from generate_series(1, " + std::to_string(n) + ")",
          n};
}

std::string Rows::copy_statement() {
  return "copy " + own_log().name + " (" + own_log().columns + ") from stdin";
}

Insertion Rows::copy_lines(int n) {
  const ServiceName& service = World::deployed_service(random_);
  const auto now = std::chrono::duration_cast<rules::Duration>(
      std::chrono::system_clock::now().time_since_epoch());
  Insertion made;
  for (int i = 0; i < n; ++i) {
    const auto offset = rules::Duration{static_cast<std::int64_t>(
        (random_.one_in(3) ? offset_of(random_) : -offset_of(random_) / 10 - 290) * 1e6)};
    made.sql += engine::instant_text(rules::Instant{now + offset}) + "\terror\tcopied\t" +
                (service.environment.find('\\') == std::string::npos ? service.environment : "qa") +
                "\t" + (service.name.find('\\') == std::string::npos ? service.name : "app") +
                "\t\\N\tcopy\n";
  }
  made.events = n;
  return made;
}

}  // namespace rollbackd::tests::torture
