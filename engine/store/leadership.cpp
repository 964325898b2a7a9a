#include "engine/store/leadership.hpp"

#include "engine/database/doorbell_names.hpp"
#include "engine/fail_point.hpp"

namespace rollbackd::engine {
namespace {

HeldLock::Options options() {
  HeldLock::Options chosen;
  chosen.purpose = "leader";
  chosen.key = leader_key;
  chosen.lease = rules::seconds{5};
  chosen.try_every = rules::Duration{500'000};
  chosen.job_max = rules::seconds{3};
  chosen.in_transaction_if_pooled = true;
  return chosen;
}

}  // namespace

Leadership::Leadership(asio::io_context& reactor, const ConnectionInfo& info, Handlers handlers,
                       Log& log, Meter& meter, Board& board)
    : handlers_{std::move(handlers)},
      log_{log},
      meter_{meter},
      board_{board},
      lock_{reactor,
            info,
            options(),
            {[this] { lead(); }, [this] { wait(); }, [](const std::string&) {},
             [this](const std::string& why) { lose(why); }},
            log} {
  board_.report(Part::leadership, "not leading yet");
}

void Leadership::lead() {
  fail_point("leadership_taken");
  leading_ = true;
  waiting_told_ = false;
  meter_.set(Level::leader, 1);
  board_.report(Part::leadership, "");
  log_.info("leading");
  handlers_.on_leading();
}

void Leadership::wait() {
  if (!waiting_told_) {
    waiting_told_ = true;
    log_.info("waiting_to_lead", {{"why", std::string{"another rollbackd leads"}}});
    board_.report(Part::leadership, "another rollbackd leads; this one waits to take over");
  }
}

void Leadership::lose(const std::string& why) {
  board_.report(Part::leadership, "cannot lead: " + why);
  if (!leading_) {
    return;
  }
  leading_ = false;
  fail_point("leadership_lost");
  meter_.set(Level::leader, 0);
  log_.warning("leadership_lost", {{"why", why}});
  handlers_.on_lost();
}

}  // namespace rollbackd::engine
