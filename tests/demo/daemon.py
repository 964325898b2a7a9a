"""rollbackd as the demo runs it: installed, configured, started, and asked over HTTP."""

import hashlib
import json
import pathlib
import secrets

from client import Client
from stage import free_port

DEPLOY = pathlib.Path(__file__).resolve().parent / "deploy.sh"

# What is shorter than the default, and the default; everything else is as it comes.
SHORTENED = [("probation", "3s", "5m"), ("settle", "1s", "10s"), ("verify", "3s", "60s"), ("cooldown", "10s", "3m")]

CONFIGURATION = """# Timers are shortened for the demo; everything that is not here has its default.
database:
  conninfo: {conninfo}
http:
  listen: 127.0.0.1:{port}
  tokens:
    - {{name: demo, sha256: "{sha256}", scopes: [read, record, rollback, override]}}
probation: 3s
rollback:
  executor: command
  command:
    argv: ["/bin/sh", {deploy}, {shop}, "{{version}}", "{{git_commit}}"]
    timeout: 20s
  verify: {{window: 3s}}
  settle: 1s
  cooldown: 10s
"""


class Daemon(Client):
    def __init__(self, stage, postgres, program, shop_folder):
        super().__init__(free_port(), secrets.token_hex(32))
        self.configuration = stage.folder / "rollbackd.yaml"
        self.configuration.write_text(CONFIGURATION.format(
            conninfo=json.dumps(postgres.conninfo("rollbackd")),
            port=self.port,
            sha256=hashlib.sha256(self.token.encode()).hexdigest(),
            deploy=json.dumps(str(DEPLOY)),
            shop=json.dumps(str(shop_folder)),
        ))
        stage.run([program, "install", "--conninfo", postgres.conninfo("postgres")], "rollbackd install")
        self.process = stage.start("rollbackd", [program, "run", "--config", self.configuration])
        stage.wait_until("rollbackd to be ready", lambda: self.get("/readyz")[0] == 200)
