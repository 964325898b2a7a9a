#pragma once

#include <string>
#include <vector>

#include <prometheus/metric_family.h>

namespace rollbackd::engine {

// The families as OpenMetrics text, 1.0.0, with its end mark.
std::string open_metrics_text(const std::vector<prometheus::MetricFamily>& families);

}  // namespace rollbackd::engine
