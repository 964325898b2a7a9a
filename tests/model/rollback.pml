/* Rollbacks of one service as DESIGN.md section 5 has them: daemons that can be stopped and killed
 * anywhere, one database, GitHub, the workflow of config/github/rollback.yml, a person with the
 * pause, and an ordinary deployment. Statuses and steps have the names of rules/rollback.cpp.
 *
 * A process that is not scheduled is one that is stopped; `goto acquire` is a crash, or a lost lock.
 * An atomic block that begins with OWN is one transaction of the journal.
 *
 * What is left out to make it unsafe (run.py has the variants; with no switch it is what is built):
 *   CLAIM_AFTER    the claim is committed after the request was sent
 *   FIRE_AGAIN     an unknown outcome is fired again when the marker is not in the list of runs
 *   UNCLAIM_LOST   a claim without a run is taken for a certain no, un-claimed and claimed anew
 *   NO_EPOCH       the journal does not check the epoch
 *   NO_LAST_LOOK   pause and epoch are not read again between the claim and the request
 *   NO_CHECKS      the workflow looks at nothing
 *   NO_GROUP       the deploying job is in no concurrency group
 *   NO_DEDUP       the workflow does not look for another run of its rollback
 *   DEDUP_BLIND    it looks, but before it finds itself in the list
 *   NO_FENCE       the workflow does not ask whether its rollback is still current
 *   ROW_FENCE      it asks, and the answer does not know of a newer deployment yet
 * What is assumed of others:
 *   DOUBLES        GitHub may make two runs of one request
 *   DEPLOYS        people deploy meanwhile
 *   PAUSES         a person turns the emergency stop on
 */
#ifdef NO_CHECKS
#define NO_GROUP
#define NO_DEDUP
#define NO_FENCE
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 2   /* the second begins when the first is over */
#endif
#ifndef EPOCHS
#define EPOCHS 3      /* how often anybody gets the lock */
#endif
#define CLAIMS 2      /* tries until the patience with a certain no ends */

mtype = { none, pending, in_progress, success, failed, aborted };
mtype = { create_pre_rollback_snapshot, identify_target, revert_migrations, mark_rolled_back,
          trigger_deploy, await_deploy, verify_health, record_result };

/* ops.rollback_events, by the number of the rollback */
mtype status[3];
mtype step[3];        /* the one that is next, or under way */
bool claimed[3];
byte claims[3];       /* claims ever committed */
bool unknown[3];      /* ended, and its run may still do something: it is followed */
bool certain[3];      /* ended, and the journal says that nothing was dispatched */
byte cur = 1;         /* the newest rollback */
byte epoch = 0;       /* ops.leader */
bool paused = false;  /* ops.control */
bool stale[3];        /* a deployment newer than this rollback is recorded and current */

/* the world outside */
bool paused_long = false; /* the pause is older than a last look may be */
byte looked = 0;          /* daemons between their last look and the request */
#if defined(CLAIM_AFTER) || defined(FIRE_AGAIN)
byte posts[3];        /* bounds what these would send for ever */
#define COUNT(r) posts[r]++;
#else
#define COUNT(r)
#endif
byte wire[3];         /* requests that GitHub has not decided on yet */
byte runs[3];
byte vis[3];          /* how many of them the list shows, in order */
byte eff[3];          /* how often the target was deployed for it */
byte newest = 0;      /* the newest rollback that was deployed */
bool deployed = false;/* the ordinary deployment is up */
bool doubled = false;
bool busy = false;    /* the concurrency group */

#ifdef NO_EPOCH
#define OWN true
#else
#define OWN (my == epoch)
#endif
#ifdef NO_LAST_LOOK
#define MAY_SEND true
#else
#define MAY_SEND (!paused && my == epoch)
#endif
#define ACTIVE(r) (status[r] == in_progress)
#define OVER(r) (status[r] == success || status[r] == failed || status[r] == aborted)

inline end_as(r, how) { status[r] = how; step[r] = record_result }

/* One request, never repeated. A stopped daemon may send it long after its claim. */
inline send(r) {
  atomic {
    COUNT(r) wire[r]++;
    looked--;
    assert(!paused_long)              /* D: nothing is dispatched after a pause, plus the time of a look */
  }
}

proctype daemon() {
  byte my; byte r;
acquire:
  r = 0;
  if
  :: atomic { epoch < EPOCHS -> epoch++; my = epoch }
  :: epoch == EPOCHS -> goto done
  fi;
  do
  :: atomic { OWN && status[cur] == none ->
              status[cur] = in_progress;
              if :: cur == 1 -> step[1] = create_pre_rollback_snapshot
                 :: else -> step[cur] = mark_rolled_back fi }     /* what comes before is as the first's */
  :: atomic { OWN && cur == 1 && status[1] == none -> status[1] = pending }   /* ask: a proposal */
  :: atomic { OWN && status[1] == pending ->
              if :: status[1] = in_progress; step[1] = create_pre_rollback_snapshot
                 :: end_as(1, aborted); certain[1] = true fi }    /* it expired, or a person said no */
  :: atomic { OWN && ACTIVE(1) && step[1] == create_pre_rollback_snapshot -> step[1] = identify_target }
  :: atomic { OWN && ACTIVE(1) && step[1] == identify_target ->
              if :: step[1] = revert_migrations :: step[1] = mark_rolled_back fi }
  :: atomic { OWN && ACTIVE(1) && step[1] == revert_migrations ->
              if :: step[1] = mark_rolled_back :: end_as(1, failed); certain[1] = true fi }
  :: atomic { OWN && ACTIVE(cur) && step[cur] == mark_rolled_back -> step[cur] = trigger_deploy }

  /* Before the claim all is looked at again; what stops it ends it, and nothing was dispatched. */
  :: atomic { OWN && ACTIVE(cur) && step[cur] == trigger_deploy && !claimed[cur] && (paused || stale[cur]) ->
              end_as(cur, aborted); certain[cur] = true }
#ifndef CLAIM_AFTER
  :: atomic { OWN && ACTIVE(cur) && step[cur] == trigger_deploy && !claimed[cur] && !paused && claims[cur] < CLAIMS ->
              claimed[cur] = true; claims[cur]++; r = cur };
#else
  :: atomic { OWN && ACTIVE(cur) && step[cur] == trigger_deploy && !claimed[cur] && !paused && posts[cur] < 2 -> r = cur };
#endif
     if
     :: atomic { !MAY_SEND ->             /* the last look, on a session of its own: paused, or another leads */
                 if :: OWN && ACTIVE(r) && claimed[r] && paused -> claimed[r] = false; end_as(r, aborted); certain[r] = true
                    :: else fi };
        goto acquire
     :: atomic { MAY_SEND -> looked++ };
        if
        :: looked--; goto acquire                      /* crash before the request */
        :: looked--;                                   /* refused: no byte left, or told to wait */
           atomic { if :: OWN && ACTIVE(r) && claimed[r] ->
                          claimed[r] = false;
                          if :: claims[r] == CLAIMS -> end_as(r, failed); certain[r] = true :: else fi
                       :: else fi };
           r = 0
        :: send(r);
#ifdef CLAIM_AFTER
           if
           :: goto acquire
           :: atomic { if :: OWN && ACTIVE(r) -> claimed[r] = true; claims[r]++ :: else fi }
           fi;
#endif
           if
           :: goto acquire                             /* crash, the answer is lost */
           :: r = 0                                    /* no answer, or 5xx: it will be looked up */
           :: runs[r] > 0 ->                           /* the answer names the run */
              atomic { if :: OWN && ACTIVE(r) && claimed[r] && step[r] == trigger_deploy -> step[r] = await_deploy :: else fi };
              r = 0
           fi
        fi
     fi

  /* Looking up, also after a restart. */
  :: atomic { OWN && ACTIVE(cur) && step[cur] == trigger_deploy && claimed[cur] && vis[cur] > 0 -> step[cur] = await_deploy }
  :: atomic { OWN && ACTIVE(cur) && step[cur] == trigger_deploy && claimed[cur] && vis[cur] == 0 ->
#ifdef UNCLAIM_LOST
              if :: claims[cur] < CLAIMS -> claimed[cur] = false
                 :: else -> end_as(cur, failed); unknown[cur] = true fi }
#else
              end_as(cur, failed); unknown[cur] = true }                      /* outcome_unknown */
#endif
#ifdef FIRE_AGAIN
  :: atomic { OWN && ACTIVE(cur) && step[cur] == trigger_deploy && claimed[cur] && vis[cur] == 0 && posts[cur] < 2 ->
              r = cur; looked++ };
     if :: !paused -> send(r) :: looked-- fi; r = 0
#endif

  :: atomic { OWN && ACTIVE(cur) && step[cur] == await_deploy && eff[cur] > 0 ->
              if :: stale[cur] -> end_as(cur, aborted)                         /* superseded after the dispatch */
                 :: !stale[cur] -> step[cur] = verify_health fi }
  :: atomic { OWN && ACTIVE(cur) && step[cur] == await_deploy -> end_as(cur, failed); unknown[cur] = true } /* deadline, or failed */
  :: atomic { OWN && ACTIVE(cur) && step[cur] == verify_health -> step[cur] = record_result }
  :: atomic { OWN && ACTIVE(cur) && step[cur] == record_result -> if :: status[cur] = success :: status[cur] = failed fi }

  /* Followed after it was given up: a late success is settled in the rows, the status stays. */
  :: atomic { OWN && unknown[1] && eff[1] > 0 -> unknown[1] = false }

  :: atomic { OWN && OVER(cur) && cur < ROLLBACKS -> cur++ }
  :: goto acquire
  :: OVER(cur) && cur == ROLLBACKS -> break
  od;
done: skip
}

proctype github(byte r) {
end:
  do
  :: atomic { wire[r] > 0 && runs[r] < 2 -> wire[r]--; runs[r]++ }
  :: atomic { wire[r] > 0 -> wire[r]-- }                           /* it never arrived */
#ifdef DOUBLES
  :: atomic { wire[r] > 0 && !doubled && runs[r] == 0 -> doubled = true; wire[r]--; runs[r] = 2 }
#endif
  :: atomic { vis[r] < runs[r] -> vis[r]++ }
  od
}

/* The n-th run of rollback r, whenever GitHub lets it begin. */
proctype workflow(byte r; byte n) {
end_queued:
  runs[r] >= n;
end_waiting:
#ifdef NO_GROUP
  skip;
#else
  atomic { !busy -> busy = true };
#endif
#ifdef DEDUP_BLIND
  if :: n > 1 && vis[r] >= 1 -> goto out :: else fi;
#else
#ifndef NO_DEDUP
  vis[r] >= n;                       /* it waits until it finds itself: then older ones are there, too */
  if :: n > 1 -> goto out :: else fi;
#endif
#endif
#ifndef NO_FENCE
#ifdef ROW_FENCE
  if :: !(ACTIVE(r) && claimed[r]) -> goto out :: else fi;
#else
  if :: !(ACTIVE(r) && claimed[r] && !stale[r]) -> goto out :: else fi;
#endif
#endif
  atomic {
    eff[r]++;
    assert(claims[r] > 0);             /* C: no effect without an earlier committed claim */
    assert(eff[r] <= 1);               /* A: at most one effect for a rollback */
    assert(r >= newest);               /* B: no effect of an older rollback after a newer one's */
    assert(!(stale[r] && deployed));   /* E: nor after a deployment that came later */
    assert(!certain[r]);               /* F: nor of one of which the journal says that nothing was dispatched */
    newest = r;
#ifdef PROBE_SECOND
    assert(r != 2);                    /* reached, or the model proves nothing */
#endif
#ifdef PROBE_AGAIN
    assert(claims[r] < 2);
#endif
  };
out:
  busy = false
}

#ifdef DEPLOYS
/* config/github/deploy.yml: in_progress is recorded inside the group, before it deploys. */
proctype deploy() {
#ifndef NO_GROUP
  atomic { !busy -> busy = true };
#endif
  atomic { stale[1] = (status[1] != none); stale[2] = (status[2] != none) };
  deployed = true;
  busy = false
}
#endif

#ifdef PAUSES
proctype person() {
end:
  if
  :: atomic { !paused -> paused = true };
     atomic { looked == 0 -> paused_long = true }
  fi
}
#endif

init {
  atomic {
    status[1] = none; status[2] = none;
    step[1] = create_pre_rollback_snapshot; step[2] = create_pre_rollback_snapshot;
    run daemon(); run daemon();
    run github(1); run workflow(1, 1); run workflow(1, 2);
#if ROLLBACKS > 1
    run github(2); run workflow(2, 1);
#endif
#ifdef DEPLOYS
    run deploy();
#endif
#ifdef PAUSES
    run person();
#endif
  }
}
