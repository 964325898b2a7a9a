#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "rules/deployment.hpp"

namespace rollbackd::rules {

// The known deployments and the one definition of which of them an event belongs to. SQL has its
// twin in ops.deployment_at(); the integration tests hold them together.
class Deployments {
 public:
  using Line = std::vector<const Deployment*>;  // one service's rows by (deployed_at, row)

  // Takes a new or changed row. Returns the services whose events it can have moved to another
  // deployment: their windows have to be counted anew.
  std::vector<Service> put(const Deployment& deployment);
  void clear();

  [[nodiscard]] const Deployment* find(const DeploymentId& id) const;
  void mark_rollback_dispatched(const DeploymentId& id, bool dispatched);
  void mark_snapshot(const DeploymentId& id, bool serving, std::optional<double> utilisation,
                     std::optional<bool> previous_unhealthy = std::nullopt);

  // Numbers what put() said to have moved events, ascending, also across clear(): the last of all
  // services, and of one; 0: none.
  [[nodiscard]] std::uint64_t moves() const { return moves_; }
  [[nodiscard]] std::uint64_t last_move(const Service& service) const;

  // The deployment to which an event of this service and moment belongs; null: nobody. `without`:
  // as if that row were not there.
  [[nodiscard]] const Deployment* at(const Service& service, Instant moment,
                                     const DeploymentId& without = {}) const;

  // The same for a service whose line is at hand.
  static const Deployment* at(const Line& line, Instant moment, const DeploymentId& without = {});

  // The newest deployment of all services to which an event of this moment can belong; null: there
  // is none. Steps over the failed ones that are newer, and over nothing else.
  [[nodiscard]] const Deployment* newest_at(Instant moment) const;

  // Whether another service has a row, not pending, with its deployed_at in (after, until].
  [[nodiscard]] bool others_deployed(const Service& service, Instant after, Instant until) const;

  // The deployment to go back to from this one; null: there is none (DESIGN.md section 2).
  [[nodiscard]] const Deployment* target_of(const Deployment& bad) const;

  // A deployment of the service, newer than this one and no replacement, that failed after `since`.
  [[nodiscard]] const Deployment* newer_failure(const Deployment& than, Instant since) const;

  // The newest earlier deployment of this version and commit that was rolled back, or whose
  // rollback was dispatched; null: there is none.
  [[nodiscard]] const Deployment* rolled_back_before(const Deployment& again) const;

  // All rows of the service by (deployed_at, row).
  [[nodiscard]] const Line& of(const Service& service) const;
  [[nodiscard]] const std::map<Service, Line>& lines() const { return lines_; }

  // Every service that has a row, in order of name.
  [[nodiscard]] std::vector<Service> services() const;
  [[nodiscard]] std::size_t size() const { return by_id_.size(); }

 private:
  struct Before {
    using is_transparent = void;
    bool operator()(const Deployment* a, const Deployment* b) const;
    bool operator()(Instant moment, const Deployment* d) const { return moment < *d->deployed_at; }
  };

  void note_moves(const std::vector<Service>& services);
  void link(const Deployment& deployment);
  void unlink(const Deployment& deployment);

  std::unordered_map<DeploymentId, Deployment> by_id_;  // node based: pointers into it stay valid
  std::map<Service, Line> lines_;
  std::set<const Deployment*, Before> begun_;  // all that have a deployed_at and are not pending
  std::uint64_t moves_ = 0;
  std::map<Service, std::uint64_t> last_moves_;
};

// Whether (deployed_at, row) of a is before that of b. A row without deployed_at is before all.
bool deployed_before(const Deployment& a, const Deployment& b);

}  // namespace rollbackd::rules
