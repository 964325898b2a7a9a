#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/asio.hpp"

#include "engine/clock.hpp"
#include "engine/database/commit_latency.hpp"
#include "engine/feed/bell_policy.hpp"
#include "engine/feed/doorbell_key.hpp"
#include "engine/feed/listener.hpp"
#include "engine/feed/rate.hpp"
#include "engine/ports.hpp"
#include "engine/settings.hpp"

namespace rollbackd::engine {

// Everything about being told: it listens, lets the bell ring while that harms nobody, silences it
// in a storm, and rings itself now and then to know that it hears. Reactor thread.
class Bell {
 public:
  // How looks at the tables come about.
  enum class Mode {
    exact,    // whoever commits rings
    silent,   // in a storm: on a timer, until it is over
    polling,  // on a timer, because nothing rings here or nobody hears it
  };

  // `on_ring`: look now. It also comes with every change of the mode.
  Bell(asio::io_context& reactor, const ConnectionInfo& info, Doorbell setting,
       const CommitLatency& latency, std::function<void()> on_ring, Log& log, Meter& meter,
       Board& board);

  void start();
  void stop();
  // Makes the bell ring for this daemon. Only for the one that leads: a second holder of K would
  // only wait, and a waiting one makes it ring as well.
  void lead();
  void follow();
  // A look found so many new events.
  void found(std::uint64_t events);

  [[nodiscard]] Mode mode() const;
  // Why it polls although nothing is broken; empty: it listens, or will soon.
  [[nodiscard]] const std::string& polls_by_design() const;
  void end_if_stuck(SteadyTime now) { key_.end_if_stuck(now); }

 private:
  void heard(const Listener::Heard& heard);
  void hold_key_if_it_serves();
  void consider();
  void measured(const DoorbellKey::Harm& harm);
  void taken();
  void deaf(Part part, const std::string& why, bool by_design);
  void canary_heard();
  void watch_canary();
  void tell_mode();

  Doorbell setting_;
  const CommitLatency& latency_;
  std::function<void()> on_ring_;
  Log& log_;
  Meter& meter_;
  Board& board_;

  bool leading_ = false;
  bool may_ring_ = true;
  BellPolicy policy_;
  DoorbellKey::Harm harm_;
  Rate bells_;
  Rate events_;
  std::optional<SteadyTime> measured_at_;
  // Why the listener or K cannot serve here at all; empty: they can.
  struct ByDesign {
    std::string listener;
    std::string key;
  };
  ByDesign by_design_;
  std::optional<SteadyTime> canary_rung_;
  asio::steady_timer canary_timer_;
  Listener listener_;
  DoorbellKey key_;
};

}  // namespace rollbackd::engine
