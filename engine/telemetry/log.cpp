#include "engine/telemetry/log.hpp"

#include <atomic>
#include <ostream>
#include <utility>

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "engine/clock.hpp"
#include "engine/telemetry/log_line.hpp"

namespace rollbackd::engine {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

struct StructuredLog::Sink {
  Sink(const LogSettings& settings, spdlog::sink_ptr to)
      : format{settings.format}, logger{"rollbackd", std::move(to)} {
    // The line is made by log_line(): spdlog writes text as it comes, so that a value with a
    // newline in it could forge a record.
    logger.set_pattern("%v");
    logger.set_level(spdlog_level(settings.level));
    logger.flush_on(spdlog::level::debug);
  }

  std::atomic<LogFormat> format;
  spdlog::logger logger;
};

StructuredLog::StructuredLog(const LogSettings& settings)
    : sink_{std::make_unique<Sink>(settings, std::make_shared<spdlog::sinks::stderr_sink_mt>())} {}

StructuredLog::StructuredLog(const LogSettings& settings, std::ostream& out)
    : sink_{std::make_unique<Sink>(settings,
                                   std::make_shared<spdlog::sinks::ostream_sink_mt>(out))} {}

StructuredLog::~StructuredLog() = default;

void StructuredLog::write(LogLevel level, std::string_view event, const rules::Fields& fields) {
  if (sink_->logger.should_log(spdlog_level(level))) {
    sink_->logger.log(spdlog_level(level), spdlog::string_view_t{log_line(sink_->format, wall_now(),
                                                                          level, event, fields)});
  }
}

void StructuredLog::use(const LogSettings& settings) {
  sink_->format = settings.format;
  sink_->logger.set_level(spdlog_level(settings.level));
}

}  // namespace rollbackd::engine
