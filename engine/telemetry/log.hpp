#pragma once

#include <iosfwd>
#include <memory>

#include "engine/ports.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// The log: one line per record to stderr, which systemd and containers collect. Any thread; a write
// waits for whoever reads stderr.
class StructuredLog final : public Log {
 public:
  explicit StructuredLog(const LogSettings& settings);
  // For tests. `out` has to outlive this.
  StructuredLog(const LogSettings& settings, std::ostream& out);
  ~StructuredLog() override;

  void write(LogLevel level, std::string_view event, const rules::Fields& fields) override;

  // Takes effect with the next record. Any thread.
  void use(const LogSettings& settings);

 private:
  struct Sink;
  std::unique_ptr<Sink> sink_;
};

}  // namespace rollbackd::engine
