#include "engine/store/installer.hpp"

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <string_view>
#include <thread>

#include "engine/clock.hpp"
#include "engine/database/doorbell_names.hpp"

namespace rollbackd::engine {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t installer_key = doorbell_key + 2;
constexpr int attempts_max = 6;
constexpr rules::Duration turn_patience = rules::minutes{10};

// Everything a file can change, as one value: after an unchanged one there was nothing to do.
constexpr const char* fingerprint_sql = R"sql(
select md5(string_agg(line, E'\n' order by line collate "C")) from (
  select concat_ws(' ', 'role', r.rolname, r.rolcanlogin,
                   (select string_agg(m.roleid::regrole::text, ',' order by m.roleid)
                    from pg_auth_members m where m.member = r.oid)) as line
  from pg_roles r where r.rolname like 'rollbackd%' or r.rolname = current_user
  union all
  select concat_ws(' ', 'database', d.datacl) from pg_database d
  where d.datname = current_database()
  union all
  select concat_ws(' ', 'schema', n.nspowner, n.nspacl) from pg_namespace n where n.nspname = 'ops'
  union all
  select concat_ws(' ', 'relation', c.relname, c.relkind, c.relowner, c.relrowsecurity, c.relacl)
  from pg_class c where c.relnamespace = to_regnamespace('ops')
  union all
  select concat_ws(' ', 'column', a.attrelid::regclass, a.attname, a.atttypid, a.attnotnull,
                   a.attacl, pg_get_expr(d.adbin, d.adrelid))
  from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped and a.attnum > 0
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where c.relnamespace = to_regnamespace('ops')
  union all
  select concat_ws(' ', 'constraint', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
  from pg_constraint k where k.connamespace = to_regnamespace('ops')
  union all
  select concat_ws(' ', 'trigger', t.tgrelid::regclass, t.tgenabled, pg_get_triggerdef(t.oid))
  from pg_trigger t join pg_proc p on p.oid = t.tgfoid
  where p.pronamespace = to_regnamespace('ops')
  union all
  select concat_ws(' ', 'function', p.proowner, p.proacl, pg_get_functiondef(p.oid),
                   obj_description(p.oid, 'pg_proc'))
  from pg_proc p where p.pronamespace = to_regnamespace('ops') and p.prokind in ('f', 'p')
  union all
  select concat_ws(' ', 'policy', p.polrelid::regclass, p.polname) from pg_policy p
) as everything)sql";

bool is_one_of(const std::string& state, std::initializer_list<std::string_view> states) {
  return std::find(states.begin(), states.end(), state) != states.end();
}

bool is_refusal(const pqxx::failure& e) { return sqlstate_of(e) == "42501"; }

// No such role, schema, table, column, function: what a refused statement would have made.
bool is_consequence(const pqxx::failure& e) {
  return is_one_of(sqlstate_of(e), {"42704", "3F000", "42P01", "42703", "42883"});
}

// Somebody else was there; later it will work. "Concurrently updated" is a race of two GRANTs.
bool is_passing(const pqxx::failure& e) {
  return is_one_of(sqlstate_of(e), {"55P03", "40P01", "40001"}) ||
         std::string_view{e.what()}.find("concurrently updated") != std::string_view::npos;
}

}  // namespace

// What the server says besides its answers; shown once the step at hand has been reported.
class Installer::Warnings : public pqxx::errorhandler {
 public:
  explicit Warnings(pqxx::connection& connection) : errorhandler{connection} {}

  bool operator()(const char message[]) noexcept override {
    try {
      const std::string line = one_line(message);
      // What was not allowed is told with the rest of its kind.
      if (line.find("not allowed: ") == std::string::npos && line.rfind("WARNING:", 0) == 0) {
        lines_.push_back(line);
      }
    } catch (const std::exception&) {  // out of memory: a warning less
    }
    return false;
  }

  void show(std::ostream& out) {
    for (const auto& line : lines_) {
      out << "  " << line << '\n';
    }
    lines_.clear();
  }
  void forget() { lines_.clear(); }

 private:
  std::vector<std::string> lines_;
};

Installer::Installer(std::unique_ptr<Connection> connection, std::ostream& out)
    : connection_{std::move(connection)},
      warnings_{std::make_unique<Warnings>(*connection_)},
      out_{out} {}

Installer::~Installer() = default;

Result<std::unique_ptr<Installer>> Installer::open(const ConnectionInfo& info, std::ostream& out) {
  const auto conninfo = session_conninfo(info, "install");
  if (!conninfo) {
    return conninfo.error();
  }
  std::unique_ptr<Connection> connection;
  try {
    connection = open_connection(*conninfo);
  } catch (const pqxx::failure& e) {
    return Error{"no connection to the database: " + one_line(e.what()),
                 "check database.conninfo, or give --conninfo"};
  }
  std::unique_ptr<Installer> installer{new Installer{std::move(connection), out}};
  installer->run(
      "set client_min_messages = warning; set statement_timeout = 0; set lock_timeout = 0; "
      "set idle_in_transaction_session_timeout = 0; set search_path = pg_catalog, pg_temp; "
      "set timezone = 'UTC'");
  if (std::stoi(installer->ask("show server_version_num")) < 150000) {
    return Error{"PostgreSQL " + installer->ask("show server_version") + " is too old",
                 "use version 15 or later"};
  }
  if (installer->connection_->is_pooled()) {
    return Error{"the connection goes through a connection pooler, which need not keep a session",
                 "give --conninfo for the database itself"};
  }
  return installer;
}

std::string Installer::ask(const std::string& sql) {
  pqxx::nontransaction session{*connection_};
  const pqxx::result rows = session.exec(sql);
  return rows.empty() || rows[0][0].is_null() ? std::string{} : std::string{rows[0][0].c_str()};
}

void Installer::run(const std::string& sql) { pqxx::nontransaction{*connection_}.exec(sql); }

// Asks again and again instead of waiting inside the server: a waiting statement holds a snapshot,
// for which the other installer's concurrent index would wait in turn.
Status Installer::take_turn() {
  const std::string ask_for = "select pg_try_advisory_lock(" + std::to_string(installer_key) + ")";
  const SteadyTime give_up = steady_now() + turn_patience;
  for (int asked = 0; ask(ask_for) != "t"; ++asked) {
    if (asked == 5) {
      out_ << "waiting for another installer to finish" << std::endl;
    }
    if (steady_now() > give_up) {
      return Error{"another installer has been at work for 10 minutes",
                   "look for application_name 'rollbackd install' in pg_stat_activity"};
    }
    std::this_thread::sleep_for(200ms);
  }
  return Done{};
}

std::string Installer::fingerprint() { return ask(fingerprint_sql); }

Result<StepOutcome> Installer::run_file(const EmbeddedSql& file, std::string_view verb) {
  auto pause = 100ms;
  for (int attempt = 1;; ++attempt) {
    std::string why;
    try {
      const StepOutcome outcome = run_statements(file);
      out_ << title_of(file) << ": "
           << (!outcome.refused.empty() ? "not all of it is allowed to this user"
               : outcome.changed        ? std::string{verb}
                                        : "already " + std::string{verb})
           << std::endl;
      warnings_->show(out_);
      return outcome;
    } catch (const pqxx::broken_connection&) {
      throw;
    } catch (const pqxx::failure& e) {
      why = one_line(e.what());
      run("rollback");
      warnings_->forget();
      if (!is_passing(e)) {
        return Error{title_of(file) + ": " + why, "nothing of this step was done"};
      }
    }
    if (attempt == attempts_max) {
      return Error{title_of(file) + ": " + why + " (" + std::to_string(attempts_max) + " attempts)",
                   "run it again when the long transactions in pg_stat_activity have ended"};
    }
    out_ << title_of(file) << ": in use, trying again" << std::endl;
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
}

StepOutcome Installer::run_statements(const EmbeddedSql& file) {
  StepOutcome outcome;
  bool refused = false;
  run("begin; set local lock_timeout = '2s'; set local rollbackd.refused = ''");
  const std::string before = fingerprint();
  for (const std::string_view statement : split_statements(file.text)) {
    run("savepoint statement");
    try {
      run(std::string{statement});
      run("release savepoint statement");
    } catch (const pqxx::broken_connection&) {
      throw;
    } catch (const pqxx::failure& e) {
      if (!is_refusal(e) && !((was_refused_ || refused) && is_consequence(e))) {
        throw;
      }
      run("rollback to savepoint statement");
      refused = true;
      outcome.refused.push_back(std::string{statement} + ";\n");
    }
  }
  if (const std::string more = ask("select current_setting('rollbackd.refused', true)");
      !more.empty()) {
    outcome.refused.push_back(more);
  }
  outcome.changed = fingerprint() != before;
  run("commit");
  was_refused_ = was_refused_ || !outcome.refused.empty();
  return outcome;
}

}  // namespace rollbackd::engine
