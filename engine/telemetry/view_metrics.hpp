#pragma once

#include <cstddef>
#include <vector>

#include <prometheus/metric_family.h>

#include "engine/ports.hpp"

namespace rollbackd::engine {

// What is told about services at the moment of a scrape. Only the first `max_services` have series
// of their own.
void append_view_metrics(const View& view, std::size_t max_services,
                         std::vector<prometheus::MetricFamily>& families);

void append_process_metrics(std::vector<prometheus::MetricFamily>& families);

}  // namespace rollbackd::engine
