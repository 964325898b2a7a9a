"""rollbackd as the demo runs it: installed, configured, started, and asked over HTTP."""

import hashlib
import http.client
import json
import pathlib
import secrets

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


class Daemon:
    def __init__(self, stage, postgres, program, shop_folder):
        self.port = free_port()
        self.token = secrets.token_hex(32)
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

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path):
        return self.ask("GET", path)

    def check(self, deployment_id):
        """What rollbackd says about a deployment, as JSON; {} if it does not answer."""
        status, body = self.ask(
            "POST", "/auto-rollback/check", json.dumps({"deployment_id": deployment_id}),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        return json.loads(body) if status == 200 else {}

    def ask(self, method, path, body=None, headers=None):
        """Status and body; (0, "") when nothing answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()
