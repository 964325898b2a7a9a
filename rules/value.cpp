#include "rules/value.hpp"

#include <cmath>
#include <cstdio>

namespace rollbackd::rules {

std::string number_text(double number) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%.2f", number);
  if (length < 0 || length >= static_cast<int>(sizeof text) || !std::isfinite(number)) {
    return std::isnan(number) ? "nan" : (number > 0 ? "inf" : "-inf");
  }
  std::string out{text, static_cast<std::size_t>(length)};
  while (out.back() == '0') {
    out.pop_back();
  }
  if (out.back() == '.') {
    out.pop_back();
  }
  return out == "-0" ? "0" : out;
}

std::string value_text(const Value& value) {
  struct Text {
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(std::int64_t n) const { return std::to_string(n); }
    std::string operator()(double d) const { return number_text(d); }
    std::string operator()(const std::string& s) const { return s; }
  };
  return std::visit(Text{}, value);
}

}  // namespace rollbackd::rules
