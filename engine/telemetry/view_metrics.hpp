#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "engine/ports.hpp"

namespace rollbackd::engine {

// Whether the daemon is ready, and which of its parts are not.
void append_health_metrics(bool ready, const std::vector<std::string>& problems,
                           std::vector<prometheus::MetricFamily>& families);

// What is told about services at the moment of a scrape. Only the first `max_services` have series
// of their own.
void append_view_metrics(const View& view, std::size_t max_services,
                         std::vector<prometheus::MetricFamily>& families);

void append_process_metrics(std::vector<prometheus::MetricFamily>& families);

}  // namespace rollbackd::engine
