#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/torture/sql_link.hpp"

namespace rollbackd::tests::torture {

// What /check says of one deployment.
struct Told {
  std::string deployment;
  int status = 0;           // HTTP; what follows is only there with 200
  std::int64_t second = 0;  // that the counts are true for
  std::int64_t last_minute = 0;
  std::int64_t five_minutes = 0;
};

// What the tables say: for every deployment how many events lie in each second, attributed by
// DESIGN.md section 3, from one snapshot and without a function of ours.
class Oracle {
 public:
  struct Count {
    std::int64_t least = 0;
    std::int64_t most = 0;  // with rows that were removed so lately that the feed need not know yet

    [[nodiscard]] bool holds(std::int64_t n) const { return n >= least && n <= most; }
  };

  // The tables as they are now.
  static Oracle look(SqlLink& link, bool with_other_log);

  [[nodiscard]] std::vector<std::string> deployments() const;
  // The events of the deployment in the window of this many seconds at that second.
  [[nodiscard]] Count count(const std::string& deployment, std::int64_t second,
                            std::int64_t window) const;
  // Empty: what was told is true; else both numbers.
  [[nodiscard]] std::string objection(const Told& told) const;
  [[nodiscard]] std::int64_t rows() const { return rows_; }

 private:
  std::map<std::string, std::map<std::int64_t, Count>> seconds_;
  std::int64_t rows_ = 0;
};

// The same counts by the plainest statement there is: each row's owner looked up one by one. Slow;
// it keeps Oracle honest. Gives "last minute, five minutes".
std::string plain_count(SqlLink& link, bool with_other_log, const std::string& deployment,
                        std::int64_t second);

}  // namespace rollbackd::tests::torture
