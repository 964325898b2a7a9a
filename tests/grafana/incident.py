"""A real incident: PostgreSQL, the daemon and Prometheus, a bad deployment that is rolled back, and its second try,
which is held."""

import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from model import ROOT

sys.path.insert(0, str(ROOT / "tests" / "demo"))

from postgres import Postgres, Session  # pylint: disable=wrong-import-position
from stage import free_port  # pylint: disable=wrong-import-position

# A name that somebody may give: it must not get out of its place in a query.
ODD_ENVIRONMENT = "it's $re$ (odd) \\ \"one\""

CONFIGURATION = """
database: {{conninfo: {conninfo}}}
http: {{listen: 127.0.0.1:0}}
probation: 1s
rollback:
  executor: command
  command: {{argv: ["/bin/true"], timeout: 20s}}
  verify: {{window: 1s}}
  confirm: 200ms
  settle: 0s
"""

PROMETHEUS = """
global: {{scrape_interval: 500ms, scrape_timeout: 400ms}}
scrape_configs:
  - job_name: rollbackd
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{cluster: main}}}}]
"""

DEPLOY = """
insert into ops.deployments (environment, service, version, git_commit, git_branch, status)
values ('{environment}', 'shop', '{version}', 'c0ffee{number}', 'main', 'in_progress') returning deployment_id"""
ERRORS = """
insert into ops.system_logs (severity, source, environment, service, message)
select 'error', 'checkout', 'production', 'shop', 'payment ' || n || ' failed' from generate_series(1, {count}) n"""
RESPONSE_TIMES = """
insert into ops.response_times (environment, service, duration_ms)
select 'production', 'shop', 20 + n from generate_series(1, 50) n"""
# It says that it can stay, so that the rollback is automatic.
MIGRATION = """
insert into ops.migration_history (deployment_id, migration_name, migration_hash, metadata)
values ('{deployment}', '0042_add_column', 'abc', '{{"backward_compatible": true}}')"""


class Prometheus:
    def __init__(self, stage, program, port):
        self.port = free_port()
        config = stage.folder / "prometheus.yml"
        config.write_text(PROMETHEUS.format(port=port))
        stage.start("prometheus", [
            program, f"--config.file={config}", f"--storage.tsdb.path={stage.folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"])
        stage.wait_until("Prometheus to be ready", self.is_ready)

    def is_ready(self):
        try:
            return bool(self.values("vector(1)"))
        except (OSError, ValueError):
            return False

    def ask(self, path, arguments):
        """The data of an answer; ValueError with Prometheus' own words when it refuses."""
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from error

    def values(self, query, since=None, until=None):
        """Every value of every series; over a time where one is given, up to its very end, else now."""
        if since is None:
            return [row["value"][1] for row in self.ask("/api/v1/query", {"query": query})["result"]]
        start = until - math.ceil(until - since)
        data = self.ask("/api/v1/query_range", {"query": query, "start": start, "end": until, "step": 1})
        return [value for row in data["result"] for _, value in row["values"]]


class Incident:
    def __init__(self, stage, rollbackd, prometheus):
        self.stage = stage
        self.began = time.time()
        self.postgres = Postgres(stage, with_tcp=False)
        stage.run([rollbackd, "install", "--conninfo", self.postgres.conninfo("postgres")], "rollbackd install")
        self.database = Session(self.postgres, "postgres")
        self.database.run("create role dashboards login in role rollbackd_reader")
        self.reader = Session(self.postgres, "dashboards")
        config = stage.folder / "rollbackd.yaml"
        config.write_text(CONFIGURATION.format(conninfo=json.dumps(self.postgres.conninfo("rollbackd"))))
        daemon = stage.start("rollbackd", [rollbackd, "run", "--config", config])
        port = stage.wait_until("rollbackd to listen", lambda: self.port_of(daemon))
        self.prometheus = Prometheus(stage, prometheus, port)
        self.happens()
        self.event = self.database.row("select event_id::text as id from ops.rollback_events order by id limit 1")["id"]
        self.ended = time.time()

    def close(self):
        self.reader.close()
        self.database.close()

    @staticmethod
    def port_of(daemon):
        found = re.search(r"http_listening.*port=(\d+)", daemon.log.read_text())
        return int(found.group(1)) if found else None

    def deploy(self, version, number, environment="production"):
        quoted = environment.replace("'", "''")
        return self.database.run(DEPLOY.format(environment=quoted, version=version, number=number)).strip()

    def wait_for(self, what, condition):
        self.stage.wait_until(what, lambda: self.database.row(f"select ({condition}) as met")["met"], 60)

    def wait_for_metric(self, query):
        self.stage.wait_until(f"a scrape in which {query}", lambda: self.prometheus.values(query), 60)

    def happens(self):
        self.wait_for_metric("rollbackd_feed_complete == 1")
        good = self.deploy("v2.5.2", 1)
        self.deploy("v7", 7, ODD_ENVIRONMENT)
        self.wait_for("v2.5.2 to pass its probation",
                      f"select health_check_passed from ops.deployments where deployment_id = '{good}'")
        bad = self.deploy("v2.5.3", 2)
        self.database.run(MIGRATION.format(deployment=bad))
        self.database.run(RESPONSE_TIMES)
        self.database.run(ERRORS.format(count=8))
        self.wait_for("the rollback to end",
                      f"exists (select from ops.rollback_events where deployment_id = '{bad}' and status = 'success')")
        self.deploy("v2.5.3", 2)
        self.database.run(ERRORS.format(count=8))
        self.wait_for("the second try to be held",
                      "exists (select from ops.roman_events where event_type = 'rollback_held')")
        self.database.run(RESPONSE_TIMES)
        self.wait_for_metric('rollbackd_suppressed_total{reason="cooldown"} >= 1')
        self.wait_for_metric("rollbackd_response_time_p95_seconds > 0")
        self.wait_for_metric("increase(rollbackd_heartbeat_round_trip_seconds_count[5m]) > 0")
