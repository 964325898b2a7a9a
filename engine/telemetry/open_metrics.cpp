#include "engine/telemetry/open_metrics.hpp"

#include <cmath>
#include <string_view>

#include <fmt/format.h>

namespace rollbackd::engine {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view total = "_total";

// As a float, so that a bucket's bound has one spelling only.
std::string number_text(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value > 0 ? "+Inf" : "-Inf";
  }
  std::string text = fmt::format("{}", value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\\':
      case '"':
        out += '\\';
        [[fallthrough]];
      default:
        out += c;
    }
  }
}

void append_sample(std::string& out, std::string_view name, std::string_view suffix,
                   const std::vector<ClientMetric::Label>& labels, double value,
                   const std::string& bound = {}) {
  out += name;
  out += suffix;
  char separator = '{';
  const auto append_label = [&](std::string_view key, std::string_view text) {
    out += separator;
    separator = ',';
    out += key;
    out += "=\"";
    append_escaped(out, text);
    out += '"';
  };
  for (const ClientMetric::Label& label : labels) {
    append_label(label.name, label.value);
  }
  if (!bound.empty()) {
    append_label("le", bound);
  }
  out += separator == ',' ? "} " : " ";
  out += number_text(value);
  out += '\n';
}

void append_histogram(std::string& out, std::string_view name, const ClientMetric& metric) {
  const auto& histogram = metric.histogram;
  for (const ClientMetric::Bucket& bucket : histogram.bucket) {
    append_sample(out, name, "_bucket", metric.label, static_cast<double>(bucket.cumulative_count),
                  number_text(bucket.upper_bound));
  }
  append_sample(out, name, "_count", metric.label, static_cast<double>(histogram.sample_count));
  append_sample(out, name, "_sum", metric.label, histogram.sample_sum);
}

std::string_view type_text(MetricType type) {
  if (type == MetricType::Counter) {
    return "counter";
  }
  return type == MetricType::Histogram ? "histogram" : "gauge";
}

}  // namespace

// Here the family of a counter is called without the ending that its samples have.
std::string open_metrics_text(const std::vector<MetricFamily>& families) {
  std::string out;
  for (const MetricFamily& family : families) {
    std::string_view name = family.name;
    const bool is_counter = family.type == MetricType::Counter;
    if (is_counter && name.ends_with(total)) {
      name.remove_suffix(total.size());
    }
    out += fmt::format("# TYPE {} {}\n# HELP {} ", name, type_text(family.type), name);
    append_escaped(out, family.help);
    out += '\n';
    for (const ClientMetric& metric : family.metric) {
      if (family.type == MetricType::Histogram) {
        append_histogram(out, name, metric);
      } else if (is_counter) {
        append_sample(out, name, total, metric.label, metric.counter.value);
      } else {
        append_sample(out, name, "", metric.label, metric.gauge.value);
      }
    }
  }
  return out + "# EOF\n";
}

}  // namespace rollbackd::engine
