#include "engine/database/connection.hpp"
#include "engine/store/installer.hpp"

namespace rollbackd::engine {
namespace {

struct Relation {
  std::string table;  // with its schema, quoted where needed
  std::string schema;
  std::string index;   // the name its part of the index gets
  std::string parent;  // the index its part belongs to, with its schema; empty for the root
  bool leaf = false;
};

// The table and all below it, parents first.
std::vector<Relation> partition_tree(pqxx::connection& connection, const IndexStatement& index) {
  const std::string table = connection.quote(index.table);
  const std::string name = connection.quote(index.name);
  std::vector<Relation> tree;
  for (const pqxx::row& row : pqxx::nontransaction{connection}.exec(
           "with tree as (select t.level, t.isleaf, t.parentrelid, c.oid, quote_ident(n.nspname) as"
           " schema, quote_ident(c.relname) as name, case t.level when 0 then " +
           name + " else " + name +
           " || '_' || c.oid end as index"
           " from pg_partition_tree(" +
           table +
           ") t join pg_class c on c.oid = t.relid"
           " join pg_namespace n on n.oid = c.relnamespace)"
           " select c.schema || '.' || c.name, c.schema, c.index, p.schema || '.' || p.index, "
           "c.isleaf"
           " from tree c left join tree p on p.oid = c.parentrelid order by c.level, c.oid")) {
    tree.push_back({row[0].c_str(), row[1].c_str(), row[2].c_str(),
                    row[3].is_null() ? "" : row[3].c_str(), row[4].as<bool>()});
  }
  return tree;
}

}  // namespace

Result<StepOutcome> Installer::build(const IndexStatement& index) {
  try {
    const std::string kind = ask("select relkind from pg_class where oid = to_regclass(" +
                                 connection_->quote(index.table) + ")");
    return kind == "p" ? build_partitioned(index) : build_on("ops", index);
  } catch (const pqxx::broken_connection&) {
    throw;
  } catch (const pqxx::failure& e) {
    const std::string state = sqlstate_of(e);
    if (state == "42501" || (was_refused_ && (state == "42P01" || state == "42703"))) {
      return StepOutcome{false, {index.statement + ";\n"}};
    }
    return Error{"index " + index.name + " on " + index.table + ": " + one_line(e.what()),
                 "mend that and install again; the applications are not affected"};
  }
}

Status Installer::build_for_logs(StepOutcome& total) {
  if (ask("select to_regclass('ops.watched_logs')").empty()) {
    return Done{};
  }
  for (const pqxx::row& row : pqxx::nontransaction{*connection_}.exec(logs_index_statements_sql)) {
    const std::string statement = row[0].c_str();
    try {
      out_ << statement << std::endl;
      run(statement);
      total.changed = true;
    } catch (const pqxx::broken_connection&) {
      throw;
    } catch (const pqxx::failure& e) {
      if (sqlstate_of(e) != "42501") {
        return Error{statement + ": " + one_line(e.what()),
                     "mend that and install again; the applications are not affected"};
      }
      total.refused.push_back(statement + ";\n");
    }
  }
  return Done{};
}

std::string Installer::is_valid(const std::string& schema, const std::string& name) {
  return ask("select indisvalid from pg_index where indexrelid = to_regclass(" +
             connection_->quote(schema + "." + name) + ")");
}

StepOutcome Installer::build_on(const std::string& schema, const IndexStatement& index) {
  const std::string valid = is_valid(schema, index.name);
  if (valid == "t") {
    return {};
  }
  out_ << "index " << index.name << ": building"
       << (valid.empty() ? "" : " again, an interrupted build left it invalid") << std::endl;
  if (!valid.empty()) {
    run("drop index concurrently " + schema + "." + index.name);
  }
  run(index.statement);
  return {true, {}};
}

// CONCURRENTLY knows no partitioned tables. So: an index on the parent alone, which is quick and
// not valid yet; one on each partition, concurrently; each is attached, and the last one makes the
// parent's valid. Partitions that come later get theirs from it.
StepOutcome Installer::build_partitioned(const IndexStatement& index) {
  if (is_valid("ops", index.name) == "t") {
    return {};
  }
  const std::string rest =
      index.statement.substr(index.statement.find(index.table) + index.table.size());
  const std::string create =
      index.statement.rfind("create unique ", 0) == 0 ? "create unique index " : "create index ";
  for (const Relation& relation : partition_tree(*connection_, index)) {
    if (relation.leaf) {
      build_on(relation.schema,
               {relation.index, relation.table,
                create + "concurrently " + relation.index + " on " + relation.table + rest});
    } else {
      // Two statements in one string are one transaction.
      run("set local lock_timeout = '2s'; " + create + "if not exists " + relation.index +
          " on only " + relation.table + rest);
    }
    if (!relation.parent.empty()) {
      run("set local lock_timeout = '2s'; alter index " + relation.parent + " attach partition " +
          relation.schema + "." + relation.index);
    }
  }
  return {true, {}};
}

}  // namespace rollbackd::engine
