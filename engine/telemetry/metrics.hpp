#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ports.hpp"

namespace rollbackd::engine {

// All metrics of the daemon. Every series that can exist is there from the start, at 0; their
// number depends on max_services and on nothing else. The Meter is for any thread, the rest for the
// reactor's.
class Metrics final : public Meter, public Observer {
 public:
  explicit Metrics(std::size_t max_services);
  ~Metrics() override;

  void count(Count what, double n = 1) override;
  void set(Level what, double value) override;
  void observe(Timing what, double seconds) override;
  void answered(std::string_view method, std::string_view route, int status) override;

  void took(const rules::Input& input) override;
  void decided(const rules::Output& output) override;
  void committed(const rules::Commit& commit, rules::Duration waited) override;

  // The configuration was read, at the start or again; `at` by the wall clock.
  void configuration_read(bool successful, rules::Instant at);

  // There are requests to this route to be counted. Before the first of them.
  void expect(std::string_view method, std::string_view route);

  // Takes effect with the next scrape.
  void set_max_services(std::size_t max_services);

  // What /readyz says at the moment of the scrape: whether the daemon is ready, and the parts that
  // have a problem.
  struct Health {
    bool ready = false;
    std::vector<std::string> problems;
  };
  [[nodiscard]] std::string scrape(const View& view, const Health& health,
                                   Exposition format = Exposition::text) const;

 private:
  class Series;
  std::unique_ptr<Series> series_;
  std::size_t max_services_;
};

}  // namespace rollbackd::engine
