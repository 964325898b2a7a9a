#!/usr/bin/env python3
"""What config/alertmanager holds back while something worse explains it, seen at work: Debian's Alertmanager with that
configuration is told of every alert, and what it delivers is watched.

Exit status 77: prometheus-alertmanager is not installed (./dev setup test).
"""

import datetime
import http.client
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "demo"))

from stage import free_port  # pylint: disable=wrong-import-position

CONFIG = os.path.join(ROOT, "config", "alertmanager", "alertmanager.yml")
RULES = os.path.join(ROOT, "config", "prometheus", "alert_rules.yml")
PROGRAM = "prometheus-alertmanager"
TEMPLATES = "/usr/share/prometheus/alertmanager/default.tmpl"
PATIENCE_SECONDS = 60
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"(.*)"')


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def matches(matchers, labels):
    for matcher in matchers:
        name, how, what = MATCHER.fullmatch(matcher).groups()
        value = labels.get(name, "")
        found = bool(re.fullmatch(what, value)) if "~" in how else value == what
        if found == how.startswith("!"):
            return False
    return True


ALERTS = {
    rule["alert"]: rule["labels"]["severity"]
    for group in yaml.safe_load(read(RULES))["groups"] for rule in group["rules"]
}


def alerts_of(matchers):
    return {name for name, severity in ALERTS.items() if matches(matchers, {"alertname": name, "severity": severity})}


# Pairs of cluster and alert; `info` is delivered to nobody.
def told(alerts):
    return {(cluster, name) for cluster, name in alerts if ALERTS[name] != "info"}


class Receivers:
    """Stands in for all receivers: remembers when which alert of which cluster was delivered first."""

    def __init__(self):
        self.first = {}
        self.changed = threading.Condition()
        receivers = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receivers.delivered(body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *ignored):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def delivered(self, alerts):
        with self.changed:
            for alert in alerts:
                labels = alert["labels"]
                if alert["status"] == "firing":
                    self.first.setdefault((labels["cluster"], labels["alertname"]), time.monotonic())
            self.changed.notify_all()

    def wait_for(self, wanted):
        """`wanted`: pairs of cluster and alert."""
        with self.changed:
            if not self.changed.wait_for(lambda: wanted <= self.first.keys(), PATIENCE_SECONDS):
                raise AssertionError(f"not delivered within {PATIENCE_SECONDS} s: {sorted(wanted - self.first.keys())}")


class Alertmanager:
    def __init__(self, folder, receivers):
        text = re.sub(r"https?://[\w.:]+/(?:alertmanager|ping)", receivers.url, read(CONFIG))
        text = re.sub(r"(group_wait|group_interval): \w+", r"\1: 1s", text)
        token = os.path.join(folder, "token")
        text = text.replace("/etc/alertmanager/rollbackd.token", token)
        for path, content in ((token, "t"), (os.path.join(folder, "alertmanager.yml"), text)):
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
        self.port = free_port()
        self.log = os.path.join(folder, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", PROGRAM, f"--config.file={path}", f"--storage.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="],
                stdout=log, stderr=log)
        limit = time.monotonic() + PATIENCE_SECONDS
        while not self.is_ready():
            if time.monotonic() > limit or self.process.poll() is not None:
                self.end()
                raise AssertionError(f"{PROGRAM} does not start:\n{read(self.log)}")
            time.sleep(0.05)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def is_ready(self):
        try:
            return self.ask("GET", "/-/ready")[0] == 200
        except OSError:
            return False

    def tell(self, alerts, over=False):
        """`alerts`: pairs of cluster and alert, which fire, or are over."""
        now = datetime.datetime.now(datetime.timezone.utc)
        begun = (now - datetime.timedelta(minutes=5)).isoformat()
        end = {"endsAt": now.isoformat()} if over else {}
        body = [{"labels": {"alertname": name, "severity": ALERTS[name], "cluster": cluster}, "startsAt": begun, **end}
                for cluster, name in sorted(alerts)]
        status, said = self.ask("POST", "/api/v2/alerts", json.dumps(body))
        if status != 200:
            raise AssertionError(f"the alerts were refused: {said}")

    def inhibited(self):
        listed = json.loads(self.ask("GET", "/api/v2/alerts")[1])
        return {(alert["labels"]["cluster"], alert["labels"]["alertname"])
                for alert in listed if alert["status"]["inhibitedBy"]}

    def end(self):
        self.process.kill()
        self.process.wait()


class Inhibitions(unittest.TestCase):
    rules = yaml.safe_load(read(CONFIG))["inhibit_rules"]

    def start(self):
        self.receivers = Receivers()
        self.addCleanup(self.receivers.server.server_close)
        self.addCleanup(self.receivers.server.shutdown)
        folder = tempfile.mkdtemp(prefix="rollbackd-inhibitions-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.alertmanager = Alertmanager(folder, self.receivers)
        self.addCleanup(self.alertmanager.end)

    def test_names_in_the_rules_are_alerts_and_no_alert_holds_itself_back(self):
        for rule in self.rules:
            self.assertEqual(rule["equal"], ["cluster"], "another database has troubles of its own")
            sources, targets = alerts_of(rule["source_matchers"]), alerts_of(rule["target_matchers"])
            self.assertFalse(sources & targets)
            for matcher in rule["source_matchers"] + rule["target_matchers"]:
                for name in MATCHER.fullmatch(matcher).group(3).split("|"):
                    self.assertTrue(any(re.fullmatch(name, alert) for alert in ALERTS), name)

    def test_what_is_explained_is_held_back_until_its_reason_is_over_and_no_longer(self):
        # Every pair of a reason and what it explains has a cluster of its own, since one alert may be either; and a
        # twin of it in which the reason does not fire.
        pairs = [(source, target) for rule in self.rules for source in sorted(alerts_of(rule["source_matchers"]))
                 for target in sorted(alerts_of(rule["target_matchers"]))]
        self.assertEqual(len(pairs), len(set(pairs)))
        reasons = {(f"{source}-{target}", source) for source, target in pairs}
        held = {(f"{source}-{target}", target) for source, target in pairs}
        free = {(f"{source}-{target}-without", target) for source, target in pairs}
        self.start()
        self.alertmanager.tell(reasons)
        self.receivers.wait_for(reasons)
        self.alertmanager.tell(held | free)
        self.receivers.wait_for(told(free))
        self.assertEqual(self.alertmanager.inhibited(), held)
        over = time.monotonic()
        self.alertmanager.tell(reasons, over=True)
        self.receivers.wait_for(told(held))
        early = {pair for pair in told(held) if self.receivers.first[pair] < over}
        self.assertFalse(early, "was delivered although its reason fired")
        print(f"{len(self.rules)} rules, {len(pairs)} pairs of a reason and what it holds back, of which"
              f" {len(told(held))} are told when it is over")


if __name__ == "__main__":
    if shutil.which(PROGRAM) is None or not os.path.exists(TEMPLATES):
        print(f"skipped: {PROGRAM} is not installed: ./dev setup test")
        sys.exit(77)
    unittest.main()
