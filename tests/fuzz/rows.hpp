#pragma once

#include <string>
#include <string_view>

#include <libpq-fe.h>
#include <pqxx/internal/gates/result-creation.hxx>
#include <pqxx/pqxx>

#include "rules/invariant.hpp"
#include "tests/fuzz/input.hpp"

namespace rollbackd::fuzz {

// libpqxx lets nobody but its connections make a result. An explicit instantiation may name what is
// private, and hands it out.
using MakeResult = pqxx::result (*)(pqxx::internal::pq::PGresult*, const std::string&,
                                    pqxx::internal::encoding_group);
MakeResult make_result();

template <MakeResult function>
struct Opened {
  friend MakeResult make_result() { return function; }
};
template struct Opened<&pqxx::internal::gate::result_creation::create>;

// A query's answer: a line is a row, its columns end with tabs, "\N" is null; what is missing of a
// row is null.
inline pqxx::result rows_in(std::string_view input, int columns) {
  PGresult* made = PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK);
  std::vector<PGresAttDesc> names(static_cast<std::size_t>(columns));
  std::string name = "column";
  for (PGresAttDesc& each : names) {
    each = {name.data(), 0, 0, 0, 25, -1, -1};
  }
  INVARIANT(made != nullptr && PQsetResultAttrs(made, columns, names.data()) != 0);
  for (int row = 0; !input.empty(); ++row) {
    std::string_view line = take_part(input);
    for (int column = 0; column < columns; ++column) {
      const bool is_missing = line.empty();
      // PostgreSQL's texts hold no NUL.
      std::string cell{take_part(line, '\t')};
      cell.resize(std::string_view{cell.c_str()}.size());
      const bool is_null = is_missing || cell == "\\N";
      INVARIANT(PQsetvalue(made, row, column, is_null ? nullptr : cell.data(),
                           is_null ? -1 : static_cast<int>(cell.size())) != 0);
    }
  }
  return make_result()(made, "", pqxx::internal::encoding_group::UTF8);
}

}  // namespace rollbackd::fuzz
