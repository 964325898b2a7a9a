"""One run: a database of its own, one or two daemons, a good and a bad deployment, errors, and faults."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import plans
from postgres import Session
from stage import environment

GOOD = "11111111-1111-4111-8111-111111111111"
BAD = "22222222-2222-4222-8222-222222222222"
SECONDS_MAX = 60  # for a rollback to end, whatever happened
LOOK_EVERY = 0.1
HELD_FOR = 2.3  # a daemon at the point at which it is paused: what leaves it then is too late
DOORBELL_KEY = 0x726F6C6C6261636B
STOPPED_FOR = 3.0  # a stopped daemon with nobody to take over
STOPPED_WITH_STANDBY = 8.0  # longer than the lease: it wakes up when another one leads
DOORBELL_PATIENCE = 15.0
DOORBELL_WATCHED = 1.5
BEFORE_THE_STANDBY = ("leadership_taken", "journal_read")  # which is started when the first leads
AFTER_THE_END = 0.6  # in which what is late would show itself

CONFIGURATION = """database:
  conninfo: {conninfo}
http: {{listen: 127.0.0.1:0}}
probation: 5m
rollback:
  executor: github
  github:
    {{api_url: {github}, repository: torture/{name}, workflow: rollback.yml, ref: main, token: "of-{daemon}",
     timeout: 5s, poll: 100ms, lookup: 2s}}
  verify: {{window: 1s}}
  confirm: 200ms
  settle: 0s
  cooldown: 0s
"""

DEPLOYMENTS = f"""
insert into ops.deployments (deployment_id, environment, service, version, git_commit, git_branch, deployed_at,
  status, health_check_passed) values
  ('{GOOD}', 'production', 'api', 'v1', 'c1', 'main', now() - interval '1 hour', 'success', true),
  ('{BAD}', 'production', 'api', 'v2', 'c2', 'main', now() - interval '1 second', 'in_progress', false);
insert into ops.system_logs (severity, source, message, environment, service, deployment_id)
  select 'error', 'api', 'boom', 'production', 'api', '{BAD}' from generate_series(1, 8)"""


# Notes who leads, and what is written under an epoch that is over. Each daemon's sessions have its number; the
# journal's hold ops.leader until they commit, so what is read here cannot change meanwhile.
WITNESSES = """
create schema torture;
create table torture.leaders (n bigserial, daemon text, epoch bigint, at timestamptz);
create table torture.wrong (what text);
create function torture.leads() returns trigger language plpgsql security definer as $$
begin
  if new.epoch <= old.epoch then
    insert into torture.wrong values (format('the epoch %s followed %s', new.epoch, old.epoch));
  end if;
  insert into torture.leaders (daemon, epoch, at)
    values (current_setting('torture.daemon', true), new.epoch, clock_timestamp());
  return null;
end $$;
create function torture.writes() returns trigger language plpgsql security definer as $$
declare
  own text := current_setting('torture.daemon', true);
  leader text := (select daemon from torture.leaders order by n desc limit 1);
begin
  if own <> '' and own is distinct from leader then
    insert into torture.wrong values (format('daemon %s wrote to %s while %s led', own, tg_table_name, leader));
  end if;
  return null;
end $$;
create trigger torture after update on ops.leader for each row execute function torture.leads();
create trigger torture after insert on ops.roman_events for each row when (new.event_type <> 'leadership')
  execute function torture.writes();
create trigger torture after insert or update on ops.rollback_events for each row execute function torture.writes();
create trigger torture after insert or update on ops.deployments for each row execute function torture.writes();
create trigger torture after insert on ops.outbox for each row execute function torture.writes();
"""


class Failed(Exception):
    """The run could not be carried out; no verdict about the daemon."""


class Daemon:
    """A process of rollbackd_torture. Its faults are armed in it alone; what follows it has the next."""

    def __init__(self, folder, name, program, faults, bug):
        self.log = folder / f"{name}.log"
        self.arrivals = folder / f"{name}.arrivals"
        self.faults = faults
        self.stopped_at = None
        self.held_since = None
        self.struck_at = None
        told = {"ROLLBACKD_FAIL_LOG": str(self.arrivals), "ROLLBACKD_PLANTED_BUG": bug}
        told["ROLLBACKD_FAIL_POINT"] = ",".join(
            str(f._replace(action="hold") if f.action == "pause" else f) for f in faults)
        with open(self.log, "ab") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(program), "run", "--config", str(folder / f"{name}.yaml")],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                env={**environment(), **told},
            )

    def reached(self, fault):
        """When the fault came about, by the wall clock; None: it has not."""
        with contextlib.suppress(FileNotFoundError):
            for line in self.arrivals.read_text().splitlines():
                point, nth, at = line.split()
                if point == fault.point and int(nth) == fault.nth:
                    return float(at) + fault.delay_ms / 1000
        return None

    def let_go(self):
        self.held_since = None
        self.arrivals.with_name(self.arrivals.name + ".go").touch()

    def said(self, word):
        return word in self.log.read_text(errors="replace")

    def is_dead(self):
        return self.process.poll() is not None

    def is_stopped(self):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, IndexError):
            return pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
        return False

    def wake(self):
        self.process.send_signal(signal.SIGCONT)
        self.stopped_at = None

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Run:
    def __init__(self, world, number, plan, bug=""):
        self.world = world
        self.plan = plan
        self.bug = bug
        self.name = f"run{number}"
        self.folder = world.folder / self.name
        self.faults = list(plan.faults)
        self.daemons = []
        self.paused_at = None
        self.reached = 0  # faults that came about
        self.hits = set()  # points that were arrived at
        self.rows = {}
        self.ledger = {}
        self.session = None

    # --- Its parts --------------------------------------------------------------------------------------

    def github(self, method, body=None):
        request = urllib.request.Request(
            f"{self.world.github}/_standin/repos/torture/{self.name}", method=method,
            data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def start(self):
        faults = []
        while self.faults and not (faults and faults[-1].action in ("crash", "stop")):
            faults.append(self.faults.pop(0))
        number = len(self.daemons) + 1
        name = f"daemon{number}"
        conninfo = f"{self.world.postgres.conninfo('rollbackd', self.name)} options='-c torture.daemon={number}'"
        (self.folder / f"{name}.yaml").write_text(CONFIGURATION.format(
            conninfo=json.dumps(conninfo), github=self.world.github, name=self.name, daemon=number))
        daemon = Daemon(self.folder, name, self.world.program, faults, self.bug)
        self.daemons.append(daemon)
        return daemon

    def prepare(self):
        self.folder.mkdir()
        with self.world.making_databases:
            self.world.admin.run(f"create database {self.name} template app")
        self.session = Session(self.world.postgres, "postgres", self.name)
        self.github("PUT", {"run_ms": 60, "retry_after_s": 1, "list_delay_ms": 600,
                            **plans.SITUATIONS.get(self.plan.behaviour, {"behaviour": self.plan.behaviour})})

    # --- Its course -------------------------------------------------------------------------------------

    def carry_out(self):
        try:
            self.prepare()
            first = self.start()
            if self.plan.mode == "standby":
                self.wait_for("a leader", lambda: first.said("event=leading") or first.is_dead() or first.is_stopped())
                second = self.start()
                self.wait_for("a standby", lambda: second.said("event=waiting_to_lead") or second.said("event=leading")
                              or second.is_dead() or second.is_stopped())
            self.session.run(DEPLOYMENTS)
            self.drive()
            self.collect()
        except (OSError, http.client.HTTPException) as e:
            raise Failed(f"{type(e).__name__}: {e}") from e
        finally:
            for daemon in self.daemons:
                daemon.end()
            if self.session:
                self.session.close()
            with self.world.making_databases:
                self.world.admin.run(f"drop database if exists {self.name} with (force)")

    def wait_for(self, what, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise Failed(f"no {what} within {seconds} s")
            time.sleep(LOOK_EVERY)

    def drive(self):
        """Until the rollback has ended and nothing can happen any more, or the time is over."""
        end = time.monotonic() + SECONDS_MAX
        settled_at = None
        while time.monotonic() < end:
            for daemon in list(self.daemons):
                self.look_after(daemon)
            settled = self.is_settled()
            settled_at = (settled_at or time.monotonic()) if settled else None
            if settled and time.monotonic() - settled_at > AFTER_THE_END:
                return
            time.sleep(LOOK_EVERY)

    def look_after(self, daemon):
        """Notices what the fault did, and brings somebody who goes on."""
        if daemon.held_since and time.monotonic() - daemon.held_since > HELD_FOR:
            daemon.let_go()
        for fault in list(daemon.faults):
            if reached_at := daemon.reached(fault):
                daemon.faults.remove(fault)
                self.came_about(fault, daemon, reached_at)
        if daemon.is_dead() and not getattr(daemon, "replaced", False):
            daemon.replaced = True
            if self.plan.mode == "restart" or all(d.is_dead() for d in self.daemons):
                self.start()
        elif daemon.is_stopped():
            daemon.stopped_at = daemon.stopped_at or time.monotonic()
            alone = self.plan.mode == "restart"
            if time.monotonic() - daemon.stopped_at > (STOPPED_FOR if alone else STOPPED_WITH_STANDBY):
                daemon.wake()

    def came_about(self, fault, daemon, at):
        daemon.struck_at = at
        self.reached += 1
        if fault.action == "pause":
            self.session.run("update ops.control set paused = true, paused_by = 'torture', reason = 'torture',"
                             " since = now()")
            self.paused_at = self.paused_at or time.time()
            daemon.held_since = time.monotonic()

    def is_settled(self):
        """The rollback is over, or held and told so; GitHub has nothing under way; nobody is stopped or owed a fault."""
        if any(d.is_stopped() or d.held_since for d in self.daemons):
            return False
        row = self.session.row(
            "select count(*) filter (where status in ('pending', 'in_progress')) as active, count(*) as all_,"
            " coalesce(bool_or(metadata ? 'followed_until' and not metadata ? 'late_outcome'), false) as followed"
            f" from ops.rollback_events where deployment_id = '{BAD}'")
        if row["active"] > 0 or (row["all_"] == 0 and not self.held()):
            return False
        runs = self.github("GET")["runs"]
        if any(r["status"] != "completed" for r in runs):
            return False
        return not (row["followed"] and any(r["effect"] == "deployed" for r in runs))

    def held(self):
        return self.session.row("select 1 as held from ops.outbox where kind = 'held'") is not None

    def collect(self):
        for daemon in self.daemons:
            with contextlib.suppress(FileNotFoundError):
                self.hits |= {line.split(" ")[0] for line in daemon.arrivals.read_text().splitlines()}
        self.ledger = self.github("GET")
        self.github("DELETE")
        # Of one moment: a daemon that has lost its database may lead again meanwhile.
        self.session.run("begin isolation level repeatable read")
        self.rows = {
            "rollbacks": self.session.rows(
                "select event_id, status, trigger_type, metadata, rollback_plan->>'replacement_id' as replacement,"
                " rollback_steps[5] as dispatch, extract(epoch from completed_at) as completed_at"
                f" from ops.rollback_events where deployment_id = '{BAD}' order by id"),
            "deployments": self.session.rows("select deployment_id, status, rollback_from from ops.deployments"),
            "claims": self.session.rows(
                "select metadata->>'event_id' as event_id, extract(epoch from pg_xact_commit_timestamp(xmin)) as at"
                " from ops.roman_events where event_type = 'rollback_step' and metadata->>'step' = 'trigger_deploy'"
                " and metadata->>'status' = 'in_progress'"
                " order by id"),
            "alerts": self.session.rows("select kind, event_id from ops.outbox order by id"),
            "held": self.held(),
            "wrong": [row["what"] for row in self.session.rows("select distinct what from torture.wrong")],
            "leaders": self.session.rows(
                "select daemon, epoch, extract(epoch from at) as at from torture.leaders order by n"),
            "leadership": self.session.rows(
                "select (metadata->>'epoch')::bigint as epoch from ops.roman_events"
                " where event_type = 'leadership' order by id"),
        }
        self.session.run("commit")
        self.rows["at_doorbell"] = self.at_doorbell()

    def at_doorbell(self):
        """How many sessions hold the doorbell's lock or wait for it, once what was lost has let go of it.

        Who waits asks again and again: a standby that nothing happens around is looked at for longer."""
        watched_until = time.monotonic() + (0 if self.plan.faults or self.plan.mode != "standby" else DOORBELL_WATCHED)
        end = time.monotonic() + DOORBELL_PATIENCE
        while True:
            count = self.session.row(
                "select count(*) as n from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock'"
                " and database = (select oid from pg_database where datname = current_database())"
                f" and classid = {DOORBELL_KEY >> 32} and objid = {DOORBELL_KEY & 0xFFFFFFFF}")["n"]
            now = time.monotonic()
            if now < watched_until and count > 1 or now > end or count <= 1 and now >= watched_until:
                return count
            time.sleep(LOOK_EVERY)

    def takeover(self):
        """What was done to the leader and how long it took the standby to lead, in seconds; None: it was not so."""
        first = self.daemons[0]
        if self.plan.mode != "standby" or len(self.plan.faults) != 1 or first.struck_at is None:
            return None
        fault = self.plan.faults[0]
        later = [float(row["at"]) for row in self.rows["leaders"] if row["daemon"] == "2"]
        if fault.point in BEFORE_THE_STANDBY or fault.action not in ("crash", "stop", "lose_database") or not later:
            return None
        return fault.action, later[0] - first.struck_at

    def logs(self):
        return "\n".join(f"--- {d.log.name}\n{d.log.read_text(errors='replace')[-4000:]}" for d in self.daemons)

    def forget(self):
        for entry in self.folder.iterdir():
            os.unlink(entry)
        self.folder.rmdir()
