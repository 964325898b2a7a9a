"""The story: a shop, a pipeline that deploys a good and then a bad release, and rollbackd, which notices."""

import pathlib
import sys

from daemon import DEPLOY, Daemon
from postgres import Postgres, Session

SHOP = pathlib.Path(__file__).resolve().parent / "shop.py"
GOOD = ("v2.5.2", "a7f3b29")
BAD = ("v2.5.3", "c9e41d7")

SITUATION = """
select g.health_check_passed as good_passed,
       (select count(*) from ops.system_logs where severity = 'error') as errors,
       (select message from ops.system_logs where severity = 'error' order by id limit 1) as first_error,
       (ops.get_deployment_health(ops.deployment_at('production', 'shop', now()))
          ->>'error_rate_per_minute')::float8 as errors_per_minute,
       e.status as rollback, e.trigger_reason as reason, e.rollback_plan->'target'->>'version' as target,
       (select case s->>'status' when 'pending' then 'waits before ' else '' end || (s->>'name')
        from unnest(e.rollback_steps) with ordinality as steps (s, n)
        where s->>'status' in ('pending', 'in_progress') order by n limit 1) as step
from ops.deployments g
left join ops.rollback_events e on e.service = 'shop'
where g.deployment_id = '{good}'
order by e.id limit 1"""


class Shop:
    """The shop's folder and process, see shop.py."""

    def __init__(self, stage, postgres, folder):
        self.folder = folder
        command = [sys.executable, "-B", SHOP, folder, *postgres.psql("shop", name="shop")]
        self.process = stage.start("shop", command)

    def version(self):
        try:
            return (self.folder / "running").read_text().split()[0]
        except FileNotFoundError:
            return "nothing"

    def orders(self):
        return (self.folder / "orders").read_text().splitlines()


class Story:
    """The server, the daemon, the shop, and what is deployed."""

    def __init__(self, stage, screen, options):
        self.stage = stage
        self.screen = screen
        screen.live("making a private PostgreSQL")
        self.postgres = Postgres(stage, with_tcp=options.keep)
        screen.news("demo", "a private PostgreSQL runs in a temporary folder")
        folder = stage.folder / "shop"
        folder.mkdir()
        self.daemon = Daemon(stage, self.postgres, options.rollbackd, folder)
        screen.news("rollbackd", "is installed into the database, and watches it")
        self.database = Session(self.postgres, "postgres")
        self.database.run("create role shop login in role rollbackd_writer")
        self.database.run("create role pipeline login in role rollbackd_writer")
        self.database.run(f"create role demo login password '{self.postgres.password}'"
                          " in role rollbackd_writer, rollbackd_reader")
        self.pipeline = Session(self.postgres, "pipeline")
        self.shop = Shop(stage, self.postgres, folder)
        self.good = self.bad = None
        self.check_while_bad = {}
        self.told = set()

    def deploy(self, version, commit):
        """What a pipeline does: records the deployment and carries it out. The deployment's id."""
        deployment = self.pipeline.run(
            "insert into ops.deployments (environment, service, version, git_commit, git_branch, status)"
            f" values ('production', 'shop', '{version}', '{commit}', 'main', 'in_progress')"
            " returning deployment_id").strip()
        self.stage.run(["/bin/sh", DEPLOY, self.shop.folder, version, commit], f"the deploy of {version}")
        return deployment

    def tell(self, key, actor, text):
        if key not in self.told:
            self.told.add(key)
            self.screen.news(actor, text)

    def look(self):
        """Tells what is new since the last look. The situation."""
        now = self.database.row(SITUATION.format(good=self.good))
        version = self.shop.version()
        if now["good_passed"]:
            self.tell("passed", "rollbackd", f"{GOOD[0]} has passed its probation: there is a version to go back to")
        if now["errors"]:
            self.tell("error", "shop", f"logs its first error: {now['first_error']}")
        if now["rollback"]:
            self.tell("decided", "rollbackd", f"rolls back to {now['target']}: {now['reason']}")
            if "checked" not in self.told:
                self.told.add("checked")
                self.check_while_bad = self.daemon.check(self.bad)
            if version == GOOD[0]:
                self.tell("back", "shop", f"runs {version} again")
        if now["rollback"] not in (None, "pending", "in_progress"):
            outcome = self.screen.style("green" if now["rollback"] == "success" else "red", now["rollback"])
            self.tell("ended", "rollbackd", f"the rollback is over: {outcome}")
        doing = f"   rollback: {now['step'] or now['rollback']}" if now["rollback"] else ""
        self.screen.live(f"shop runs {version}   errors per minute: {now['errors_per_minute'] or 0:g}{doing}")
        return now

    def tell_it(self):
        """Until the rollback is over, or Failure."""
        self.screen.news("pipeline", f"deploys {GOOD[0]}, the good one")
        self.good = self.deploy(*GOOD)
        self.stage.wait_until("the good version to pass its probation", lambda: self.look()["good_passed"])
        self.screen.news("pipeline", f"deploys {BAD[0]}, the bad one: it fails for customers without a loyalty card")
        self.bad = self.deploy(*BAD)
        self.stage.wait_until(
            "the end of the rollback",
            lambda: self.look()["rollback"] not in (None, "pending", "in_progress"))
