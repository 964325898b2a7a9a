"""The daemon of the benchmarks over HTTP: what it decides it only says (mode shadow); a person's rollback runs /bin/true."""

import hashlib
import json
import os
import pathlib
import secrets
import time

from client import Client
from postgres import Postgres, Session
from stage import Failure, free_port

CONFIGURATION = """
database:
  conninfo: {conninfo}
http:
  listen: 127.0.0.1:{port}
  rate_limit: {rate_limit}
  tokens:
    - {{name: bench, sha256: "{sha256}", scopes: [read, record, rollback, override]}}
mode: shadow
rollback:
  executor: command
  command: {{argv: ["/bin/true"], timeout: 10s}}
  verify: {{window: 1s}}
  settle: 0s
"""

# As people run it: the demo's server does not wait for the disk.
DURABLE = "fsync = on\nfull_page_writes = on\n"

# Far above what any client can ask for: the speed is to be measured, not the limit.
NO_LIMIT = 1_000_000
USUAL_LIMIT = 1000


class Ground(Client):
    def __init__(self, stage, programs, postgres_settings=""):
        super().__init__(free_port(), secrets.token_hex(32))
        self.stage = stage
        self.programs = programs
        self.configuration = stage.folder / "rollbackd.yaml"
        self.postgres = Postgres(stage, with_tcp=False, more=DURABLE + postgres_settings)
        stage.run([programs / "rollbackd", "install", "--conninfo", self.postgres.conninfo("postgres")],
                  "rollbackd install")
        self.session = Session(self.postgres, "postgres")
        self.services = 0
        self.daemon = None
        self.start(NO_LIMIT, 1024)
        self.some_deployment = self.new_service()

    def start(self, rate_limit, descriptors):
        self.configuration.write_text(CONFIGURATION.format(
            conninfo=json.dumps(self.postgres.conninfo("rollbackd")), port=self.port, rate_limit=rate_limit,
            sha256=hashlib.sha256(self.token.encode()).hexdigest()))
        self.daemon = self.stage.start(
            "rollbackd", ["prlimit", f"--nofile={descriptors}", self.programs / "rollbackd", "run", "--config",
                          self.configuration])
        self.stage.wait_until("rollbackd to be ready", lambda: self.ask("GET", "/readyz")[0] == 200)

    def restart(self, descriptors):
        """As people run it: with the usual limit of requests."""
        self.stage.processes.remove(self.daemon)
        self.daemon.end()
        self.start(USUAL_LIMIT, descriptors)

    def start_bare(self, get, post):
        """The port of a bare Beast server that answers with these files."""
        bare = self.stage.start("bare_beast", [self.programs / "bare_beast", get, post])
        return int(self.stage.wait_until("the bare server", lambda: bare.log.read_text().strip()))

    def requests(self):
        """How many the daemon has answered."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("rollbackd_http_requests_total"))

    def new_service(self):
        """An environment of its own, with a version to go back to; the deployment that serves in it."""
        self.services += 1
        deployment = self.session.run(f"""
            with good as (
              insert into ops.deployments (environment, version, git_commit, git_branch, status, deployed_at,
                                           health_check_passed)
              values ('e{self.services}', 'v1', 'c1', 'main', 'success', now() - interval '1 hour', true)),
            bad as (
              insert into ops.deployments (environment, version, git_commit, git_branch, status)
              values ('e{self.services}', 'v2', 'c2', 'main', 'success') returning deployment_id)
            select deployment_id from bad""").strip()
        self.stage.wait_until("the deployment in memory", lambda: self.check(deployment))
        return deployment

    def log_errors(self, count):
        """The id of their transaction."""
        return self.session.run(f"""
            with logged as (
              insert into ops.system_logs (severity, source, message, environment)
              select 'error', 'bench', 'e', 'e{self.services}' from generate_series(1, {count}) returning 1)
            select pg_current_xact_id() from logged limit 1""").strip()

    def decision_ms(self):
        """From the commit of the sixth error of a new service to the commit of the decision."""
        deployment = self.new_service()
        self.log_errors(5)
        self.wait_for("the errors in memory", lambda: self.check(deployment).get("health", {}).get("recent_errors") == 5)
        xid = self.log_errors(1)
        decision = ("from ops.roman_events d where d.event_type = 'rollback_shadow'"
                    f" and d.metadata->>'environment' = 'e{self.services}'")
        self.wait_for("the decision", lambda: self.session.run(f"select count(*) {decision}").strip() == "1")
        return float(self.session.run(
            "select extract(epoch from pg_xact_commit_timestamp(d.xmin)"
            f" - pg_xact_commit_timestamp('{xid}'::text::xid)) * 1000 {decision}"))

    def rollback_seconds(self):
        """From asking for a rollback of a new service to its end, verified."""
        deployment = self.new_service()
        begun = time.monotonic()
        status, body = self.post("/auto-rollback", {"deployment_id": deployment, "trigger_reason": "bench"},
                                 {"Prefer": "wait=30"}, seconds=40)
        if status != 200:
            raise Failure(f"the rollback ended with {status}: {body}")
        return time.monotonic() - begun

    def wait_for(self, what, question, seconds=30):
        limit = time.monotonic() + seconds
        while not question():
            if time.monotonic() > limit:
                raise Failure(f"waited {seconds} seconds in vain for: {what}")
            time.sleep(0.01)

    def processor_seconds(self):
        fields = self.proc("stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def processor_nanoseconds(self):
        """As the scheduler counts it: exact, where the clock of processor_seconds() ticks every 10 ms."""
        tasks = pathlib.Path(f"/proc/{self.daemon.popen.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

    def memory_mib(self):
        line = next(line for line in self.proc("status").splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def proc(self, what):
        return pathlib.Path(f"/proc/{self.daemon.popen.pid}/{what}").read_text()
