"""Prism, a proxy that holds HTTP against an OpenAPI document, between a client here and answers from here."""

import http.client
import http.server
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo"))

from stage import free_port  # pylint: disable=wrong-import-position

MARK = "x-exchange"  # the header by which the stand-in upstream knows what to answer
START_SECONDS = 60


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers each request with the answer that was recorded for it."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        exchange = self.server.exchanges[int(self.headers[MARK])]
        body = exchange["answer"].encode()
        self.send_response(exchange["status"])
        for name, value in exchange["headers"].items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


class Prism:
    """Use as a context: `with Prism(program, document, exchanges) as prism: prism.violations(i)`."""

    def __init__(self, program, document, exchanges):
        self.exchanges = exchanges
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
        self.server.exchanges = exchanges
        self.folder = tempfile.TemporaryDirectory(prefix="rollbackd-openapi-")
        self.log_name = os.path.join(self.folder.name, "log")
        path = os.path.join(self.folder.name, "openapi.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file)
        self.port = free_port()
        self.command = ["setpriv", "--pdeathsig", "KILL", program, "proxy", "--cors", "false", "--host", "127.0.0.1",
                        "--port", str(self.port), path, f"http://127.0.0.1:{self.server.server_port}"]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        with open(self.log_name, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        while "is listening" not in self.log():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("Prism does not start:\n" + self.log()[-3000:])
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.server.shutdown()
        self.folder.cleanup()

    def log(self):
        with open(self.log_name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def violations(self, number, connection):
        """What Prism has to say of one exchange: a list of {location, code, message}."""
        exchange = self.exchanges[number]
        headers = {MARK: str(number), "Accept": "*/*", **exchange.get("sent", {})}
        if exchange["request"]:
            headers["Content-Type"] = "application/json"
        if exchange["credential"]:
            headers["Authorization"] = "Bearer secret"
        connection.request(exchange["method"], urllib.parse.quote(exchange["path"], safe="/?=&%+:,-._~"),
                           exchange["request"].encode() or None, headers)
        response = connection.getresponse()
        body = response.read()
        found = json.loads(response.getheader("sl-violations") or "[]")
        if response.status != exchange["status"]:
            found.append({"location": ["response"], "code": "prism",
                          "message": f"Prism answered {response.status} itself: {body[:300]!r}"})
        return found

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
