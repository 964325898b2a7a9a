"""Asks the daemon over HTTP."""

import http.client
import json


class Client:
    def __init__(self, port, token):
        self.port = port
        self.token = token

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, body, headers=None, seconds=10):
        """As who has the token."""
        return self.ask("POST", path, json.dumps(body), {
            "Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **(headers or {})},
            seconds)

    def check(self, deployment_id):
        """What rollbackd says about a deployment, as JSON; {} if it does not answer."""
        status, body = self.post("/auto-rollback/check", {"deployment_id": deployment_id})
        return json.loads(body) if status == 200 else {}

    def ask(self, method, path, body=None, headers=None, seconds=10):
        """Status and body, on a connection of its own; (0, "") when nothing answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()
