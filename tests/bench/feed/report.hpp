#pragma once

#include <string>

namespace rollbackd::tests {

// The table of figures, a line at a time.
class Report {
 public:
  Report();

  // `runs`: over how many pairs, samples or seconds, and their spread.
  void at_least(const std::string& what, double figure, double aim, const std::string& runs);
  void at_most(const std::string& what, double figure, double aim, const std::string& unit,
               const std::string& runs);
  void must(const std::string& what, bool holds, const std::string& figure,
            const std::string& runs);
  // No aim: a baseline, or what explains a figure.
  void tell(const std::string& what, const std::string& figure, const std::string& runs = "");
  void heading(const std::string& text);
  // Prints how it ended; how many aims were missed.
  int close();

 private:
  void line(const std::string& what, const std::string& figure, const std::string& aim,
            const std::string& verdict, const std::string& runs);

  int met_ = 0;
  int missed_ = 0;
};

// With so many decimals.
std::string text_of(double value, int decimals);

}  // namespace rollbackd::tests
