// Scripts of migrations, which people write: told apart into statements, none of which ends the
// transaction around them.

#include "engine/store/migration_script.hpp"
#include "engine/store/sql_script.hpp"
#include "rules/invariant.hpp"
#include "tests/fuzz/driver/target.hpp"

namespace rollbackd::fuzz {
namespace {

void run(std::string_view input) {
  const auto statements = engine::split_statements(input);
  const char* behind = input.data();
  for (const std::string_view statement : statements) {
    INVARIANT(!statement.empty() && !engine::without_leading_comments(statement).empty());
    INVARIANT(statement.data() >= behind &&
              statement.data() + statement.size() <= input.data() + input.size());
    behind = statement.data() + statement.size();
    const auto again = engine::split_statements(statement);
    INVARIANT(again.size() == 1 && again.front() == statement);
  }
  const auto migration = engine::migration_statements(input);
  if (!migration) {
    INVARIANT(!migration.error().what.empty());
    return;
  }
  INVARIANT(migration->size() == statements.size());
  for (const std::string& statement : *migration) {
    const std::string_view bare = engine::without_leading_comments(statement);
    INVARIANT(!bare.starts_with("COMMIT;") && bare != "commit" && bare != "COMMIT" &&
              bare != "end");
  }
}

const Registered target{{"sql", run}};

}  // namespace
}  // namespace rollbackd::fuzz
