#pragma once

#include <cstddef>

#include "rules/time.hpp"

namespace rollbackd::rules::limits {

// Windows: how far back a trigger may look, and how far ahead a row's clock may run before the row
// has to wait for its time (DESIGN.md section 3).
inline constexpr Second window_max = 15 * 60;
inline constexpr Second ahead_max = 60;
inline constexpr std::size_t window_lengths_max = 16;

// How much older than the longest window a row may be and still be fetched: a look can take some
// seconds until it counts. And how far ahead, in seconds: rows still further ahead are not fetched
// before it is nearly their time.
inline constexpr Second late_max = 10;
inline constexpr Second calendar_max = 60 * 60;

// Rows further ahead than ahead_max wait in the calendar, one entry per deployment and second. What
// does not fit is counted as dropped; the next rebuild from the table picks it up.
inline constexpr std::size_t calendar_entries_max = 100'000;

// Groups of events kept for a service while its windows are counted anew. With more the count is
// asked for again, from a later snapshot.
inline constexpr std::size_t recounting_groups_max = 10'000;

// Response times: cells of one deployment, ten seconds and one bin, in all; 12 bytes each, and as
// much again for the sums. A busy deployment has about a thousand in five minutes.
inline constexpr std::size_t duration_cells_max = 500'000;

// Longer durations are no response times but mistakes, of the unit for instance: 11 days.
inline constexpr double duration_ms_max = 1e9;

// Windows whose second is further behind than this are not judged: nothing was read meanwhile.
inline constexpr Second windows_lag_max = 3;

// Deployments known by id, newest first. One takes about half a kilobyte.
inline constexpr std::size_t deployments_max = 100'000;

// "Healthy" is fewer than this many events in this long (under one a minute).
inline constexpr std::size_t healthy_events = 5;
inline constexpr Second healthy_window = 5 * 60;
inline constexpr Second rate_window = 60;

// The window of the P95 response time that is told for every service, whatever its triggers ask.
inline constexpr Second response_time_window = 5 * 60;

// A failed deployment newer than the current one holds automatic rollbacks this long.
inline constexpr Duration failed_deploy_hold = minutes{10};

// Others are bad when so many of them are, and half of them: then it is not the deployment's fault.
inline constexpr std::size_t others_bad_min = 3;

// A deployment that follows one which fired in its last minute is not to blame for what it met.
inline constexpr Second unhealthy_before_window = 60;

// A breaker that was opened counts as open until it is read back, for this long at the most.
inline constexpr Duration breaker_settles = seconds{5};

// What GitHub takes of all inputs of a workflow together, in characters; and what we put beside the
// values of the database: two uuids, a reason and a time.
inline constexpr std::size_t inputs_max = 65'535;
inline constexpr std::size_t inputs_of_ours_max = 2 * 36 + 2000 + 40;

// Verification gives up its search for a quiet window after this many windows.
inline constexpr int verify_windows_max = 5;

// After the last of them a health_url that does not answer at all is waited for this long, in
// seconds.
inline constexpr Second health_url_patience = 30;

// A snapshot that takes longer is recorded as failed and holds nothing up.
inline constexpr Duration snapshot_timeout = seconds{2};

// A deployment that began to serve longer ago gets no post_deployment snapshot any more: it would
// say nothing about the moment of its arrival.
inline constexpr Duration arrival_age_max = minutes{60};

// Transactions handed to the journal and not confirmed yet, before holds, rejections and warnings
// wait. Each takes some ten kilobytes, and ten thousand services can go bad in one second.
inline constexpr std::size_t commits_waiting_max = 256;

// How often the pause, the breakers and the migrations are read.
inline constexpr Duration control_every{500'000};

// Migrations that are not reverted, newest first, that a decision looks at.
inline constexpr std::size_t migrations_max = 10'000;

// Alerts of Alertmanagers that are kept while they fire; those beyond are left out.
inline constexpr std::size_t alerts_max = 10'000;

// A certain no of the dispatch is asked again for this long.
inline constexpr Duration refused_patience = minutes{2};

// It is asked again at once when the first no says so, and from then on no sooner than after this.
inline constexpr Duration refused_pause = seconds{1};

// A run that was given up is cancelled and followed for this long.
inline constexpr Duration follow_late = minutes{30};

// The cap counts the claims of the last hour.
inline constexpr Duration cap_window = minutes{60};

// Deploys that ended while the journal could not be read, kept until it can.
inline constexpr std::size_t unclaimed_deploys_max = 64;

// Requests about a rollback of which a transaction is on its way, kept until its outcome is known.
inline constexpr std::size_t requests_postponed_max = 64;

// Whatever a person or a database row gave us is cut to this before it goes into a record.
inline constexpr std::size_t detail_text_max = 2000;

static_assert(healthy_window <= window_max);
static_assert(rate_window <= window_max);

}  // namespace rollbackd::rules::limits
