#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "engine/telemetry/metric_table.hpp"

// Series of the registry. Of two rows with one name each adds a series to the same family.
namespace rollbackd::engine {

inline prometheus::Labels labels_of(const MetricRow& row) {
  prometheus::Labels labels;
  for (const MetricLabel& label : {row.label, row.more}) {
    if (!label.name.empty()) {
      labels.emplace(label.name, label.value);
    }
  }
  return labels;
}

inline prometheus::Counter& add_counter(prometheus::Registry& registry, const MetricRow& row,
                                        const prometheus::Labels& labels) {
  return prometheus::BuildCounter()
      .Name(std::string{row.name})
      .Help(std::string{row.help})
      .Register(registry)
      .Add(labels);
}

inline prometheus::Counter& add_counter(prometheus::Registry& registry, const MetricRow& row) {
  return add_counter(registry, row, labels_of(row));
}

inline prometheus::Gauge& add_gauge(prometheus::Registry& registry, const MetricRow& row) {
  return prometheus::BuildGauge()
      .Name(std::string{row.name})
      .Help(std::string{row.help})
      .Register(registry)
      .Add(labels_of(row));
}

inline prometheus::Histogram& add_histogram(prometheus::Registry& registry, const MetricRow& row,
                                            const std::vector<double>& bounds,
                                            const prometheus::Labels& labels = {}) {
  return prometheus::BuildHistogram()
      .Name(std::string{row.name})
      .Help(std::string{row.help})
      .Register(registry)
      .Add(labels, bounds);
}

}  // namespace rollbackd::engine
