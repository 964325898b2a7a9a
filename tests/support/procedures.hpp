#pragma once

#include <map>
#include <string>

// What the original procedures have left in people's databases, and whether it is still there.
namespace rollbackd::tests {

// Their tables, with a deployment and an error. `people`: what deployed_by and initiated_by
// reference, " references auth.users(id)" for instance.
std::string tables_of_the_procedures(const std::string& people = "");

// Some rows more in each of them, odd ones among them; environments are staging and production.
std::string rows_of_the_procedures();

// auth.users with people in it, the roles of Supabase (service_role, authenticated, anon), and
// `postgres_like`, who is no superuser there and owns what is made by its user.
std::string ground_of_supabase();

// Row-level security, policies and grants for the tables of the procedures as people write them,
// and the default privileges that Supabase's manual tells them to set for a schema of its API.
std::string access_of_supabase();

// Every row of every table that is there at its construction, in the columns that it has then.
class Rows {
 public:
  explicit Rows(std::string conninfo);

  // A line for each table: its name, how many rows, and a hash of them whatever their order.
  [[nodiscard]] std::string now() const;

 private:
  std::string conninfo_;
  std::map<std::string, std::string> questions_;  // by table
};

// What roles but ours may do in the schema ops: grants on tables, sequences and functions that are
// not ours alone, and all policies but ours.
std::string access_of_others(const std::string& conninfo);

// What refuses a row in the tables of the procedures: constraints and NOT NULL of columns.
std::string refusals(const std::string& conninfo);

}  // namespace rollbackd::tests
