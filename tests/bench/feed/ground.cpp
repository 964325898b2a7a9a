#include "tests/bench/feed/ground.hpp"

#include <algorithm>
#include <exception>
#include <fstream>
#include <map>
#include <poll.h>
#include <unistd.h>

#include "tests/support/process_use.hpp"

namespace rollbackd::tests {
namespace {

// A copy, because the server's account need not be allowed into the build directory.
class SlowFlushLibrary {
 public:
  SlowFlushLibrary() { std::filesystem::copy_file(SLOW_FLUSH_LIBRARY, path_); }
  ~SlowFlushLibrary() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  SlowFlushLibrary(const SlowFlushLibrary&) = delete;
  SlowFlushLibrary& operator=(const SlowFlushLibrary&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_ = std::filesystem::temp_directory_path() /
                                ("rollbackd-slow-flush-" + std::to_string(::getpid()) + ".so");
};

PostgresOptions options_for(Disk disk) {
  PostgresOptions options;
  options.settings = {{"fsync", disk == Disk::none ? "off" : "on"},
                      {"wal_sync_method", "fdatasync"},
                      {"shared_buffers", "512MB"},
                      // A checkpoint in the middle of a slice would be taken for a difference.
                      {"max_wal_size", "8GB"},
                      {"checkpoint_timeout", "1h"},
                      {"max_connections", "200"},
                      {"log_min_duration_statement", "20ms"}};
  if (disk == Disk::slow) {
    static const SlowFlushLibrary library;
    options.environment = {{"LD_PRELOAD", library.path()}, {"SLOW_FLUSH_US", "1000"}};
  }
  return options;
}

std::string with_own_ids(const std::string& table) {
  return "create sequence " + table + "_ids; alter table " + table +
         " alter id set default nextval('" + table + "_ids');";
}

// "the last minute / five minutes"
std::string counts_text(const CheckedHealth& health) {
  return std::to_string(health.last_minute) + "/" + std::to_string(health.five_minutes);
}

std::string counts_in_sql(Stage& stage, const std::string& service, const std::string& second) {
  return stage.ask(
      "select count(*) filter (where timestamp >= s - interval '59 s') || '/' || count(*)"
      " from ops.system_logs, (select '" +
      second +
      "'::timestamptz as s) w"
      " where severity in ('error', 'critical') and timestamp >= s - interval '299 s'"
      " and timestamp < s + interval '61 s' and deployment_id is null"
      " and environment = 'production' and service = '" +
      service + "'");
}

}  // namespace

void wait_for(Seconds length) {
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(length);
  ::poll(nullptr, 0, std::max(0, static_cast<int>(whole.count())));
}

std::string insert_into(const std::string& table, const std::string& severity, int rows_a_commit) {
  return "insert into " + table + " (severity, source, message, service) select '" + severity +
         "', 'bench', 'it broke, as it had before, for no reason that could be seen', 'storm'" +
         (rows_a_commit == 1 ? std::string{}
                             : " from generate_series(1, " + std::to_string(rows_a_commit) + ")");
}

Ground::Ground(Disk disk, const std::string& more)
    : stage_{std::make_unique<Stage>(
          more, options_for(disk),
          std::vector<std::pair<std::string, std::string>>{
              {"level: debug", "level: info"},
              // What follows a decision would be measured with the next one.
              {"confirm: 1s", "confirm: 1h"}})} {}

void on_ground(Report& report, Disk disk, const std::function<void(Ground&)>& part,
               const std::string& more) {
  constexpr std::size_t text_max = 300;  // some errors bring the whole log along
  Ground ground{disk, more};
  try {
    part(ground);
  } catch (const std::exception& e) {
    report.must("THIS PART BROKE OFF", false, "", std::string{e.what()}.substr(0, text_max));
  }
}

void Ground::make_twins() {
  std::string sql =
      "create schema bench;"
      "create table bench.untouched (like ops.system_logs"
      " including defaults including constraints);"
      "alter table bench.untouched drop xid, add primary key (id);"
      "create table bench.disabled (like ops.system_logs including all);"
      "create table bench.naive (like ops.system_logs including all);"
      "create function bench.notify() returns trigger language plpgsql as $$ begin"
      " perform pg_notify('naive', json_build_object('id', new.id, 'severity',"
      " new.severity, 'service', new.service)::text); return null; end $$;"
      "create trigger notify after insert on bench.naive for each row"
      " when (new.severity in ('error', 'critical')) execute function bench.notify();";
  for (const char* table : {"bench.untouched", "bench.disabled", "bench.naive"}) {
    sql += with_own_ids(table);
  }
  rows(stage_->connection(), sql);
  for (const auto& trigger :
       rows(stage_->connection(),
            "select replace(pg_get_triggerdef(oid), 'ops.system_logs', 'bench.disabled')"
            " from pg_trigger where tgrelid = 'ops.system_logs'::regclass and not tgisinternal")) {
    rows(stage_->connection(), trigger[0].c_str());
  }
  rows(stage_->connection(), "alter table bench.disabled disable trigger all");
}

std::string Ground::add_service(const std::string& service) {
  std::string id = stage_->deployed_long_ago("v1", service);
  wait_until_known(id);
  return id;
}

void Ground::wait_until_known(const std::string& deployment_id) {
  eventually("the daemon to know a deployment", 30,
             [&] { return stage_->check(deployment_id).status == 200; });
}

std::optional<Sample> Ground::sample(const std::string& deployment_id) {
  const HttpAnswer answer = stage_->check(deployment_id);
  if (answer.status != 200) {
    return std::nullopt;
  }
  return Sample{Steady::now(), checked_health(answer.body)};
}

Parity Ground::parity(const std::string& deployment_id, const std::string& service,
                      Steady::time_point since, Seconds patience) {
  constexpr Seconds chunk{0.6};  // counting the rows disturbs: first listen, then count
  Parity found;
  std::map<std::string, std::string> counted;
  while (!found.after && Steady::now() - since < patience) {
    std::vector<Sample> samples;
    for (const auto begun = Steady::now(); Steady::now() - begun < chunk;
         wait_for(Seconds{0.002})) {
      if (const auto taken = sample(deployment_id)) {
        samples.push_back(*taken);
      }
    }
    for (const Sample& taken : samples) {
      std::string& sql = counted[taken.health.timestamp];
      if (sql.empty()) {
        sql = counts_in_sql(*stage_, service, taken.health.timestamp);
      }
      found.sql = sql;
      found.memory = counts_text(taken.health);
      const bool equal = found.sql == found.memory;
      if (equal && !found.after) {
        found.after = taken.at - since;
        found.stayed = true;
      }
      found.stayed = found.stayed && equal;
    }
  }
  return found;
}

double Ground::metric(const std::string& name) { return std::stod(stage_->metric(name)); }

double Ground::memory(const std::string& what) { return memory_mib(stage_->daemon().pid(), what); }

void Ground::forget_memory_peak() {
  std::ofstream{"/proc/" + std::to_string(stage_->daemon().pid()) + "/clear_refs"} << "5";
}

Seconds Ground::processor_time() { return Seconds{processor_seconds(stage_->daemon().pid())}; }

}  // namespace rollbackd::tests
