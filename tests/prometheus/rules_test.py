#!/usr/bin/env python3
"""The rules, runbooks and routes of config/prometheus and config/alertmanager: valid, tested, and true.

Exit status 77: promtool or amtool is not installed (./dev setup test).
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import unittest

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CONFIG = os.path.join(ROOT, "config", "prometheus")
ROUTES = os.path.join(ROOT, "config", "alertmanager", "alertmanager.yml")
SEVERITIES = {"critical", "warning", "info", "none"}
# Series that are no metrics of ours.
FOREIGN = {"up"}
WORD = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?=\s*[{\[]|\s*(?:$|[-+*/<>=!)]|and\b|or\b|unless\b|by\b))")
KEYWORDS = {"and", "or", "unless", "on", "without", "by", "bool", "ignoring"}
EVENT = re.compile(r"event=([a-z_]+|\([a-z_|]+\))")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def rules(name):
    return [rule for group in yaml.safe_load(read(CONFIG, name))["groups"] for rule in group["rules"]]


def metrics_in(expression):
    without_labels = re.sub(r"\{[^}]*\}", "{", expression)
    without_lists = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)", "", without_labels)
    return {word for word in WORD.findall(without_lists) if word not in KEYWORDS}


def exposed():
    """Every name that a scrape may have a sample of."""
    names = set()
    for line in read(ROOT, "tests", "golden", "metrics.txt").splitlines():
        name, kind = line.split()
        names.update([name + end for end in ("_bucket", "_count", "_sum")] if kind == "histogram" else [name])
    return names


def anchors(markdown):
    return {
        re.sub(r"[^a-z0-9 _-]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
        for line in markdown.splitlines()
        if line.startswith("#")
    }


class Tools(unittest.TestCase):
    def run_tool(self, *argv):
        done = subprocess.run(argv, cwd=HERE, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def test_prometheus_takes_the_configuration_and_the_rules(self):
        self.run_tool("promtool", "check", "config", os.path.join(CONFIG, "prometheus.yml"))
        self.run_tool("promtool", "check", "rules", "--lint=all", "--lint-fatal",
                      *glob.glob(os.path.join(CONFIG, "*_rules.yml")))

    def test_alerts_fire_and_are_silent_as_their_cases_say(self):
        self.run_tool("promtool", "test", "rules", *glob.glob(os.path.join(HERE, "*_test.yml")))

    def test_alertmanager_takes_the_routes(self):
        self.run_tool("amtool", "check-config", ROUTES)

    def test_each_alert_goes_where_its_severity_says(self):
        receivers = {"critical": "rollbackd-page", "warning": "rollbackd-channel", "info": "nobody",
                     "none": "rollbackd-watchdog"}
        for alert in rules("alert_rules.yml"):
            severity = alert["labels"]["severity"]
            with self.subTest(alert["alert"]):
                self.assertEqual(self.receivers(alertname=alert["alert"], severity=severity, cluster="main"),
                                 receivers[severity])

    def test_alerts_of_services_go_to_rollbackd_when_they_say_so(self):
        slow = {"alertname": "CheckoutSlow", "severity": "critical", "environment": "production", "service": "api"}
        self.assertEqual(self.receivers(**slow), "rollbackd-channel")
        self.assertIn("rollbackd", self.receivers(**slow, rollback="yes").split(","))
        del slow["service"]
        self.assertEqual(self.receivers(**slow, rollback="yes"), "rollbackd-channel")

    def receivers(self, **labels):
        return self.run_tool("amtool", "config", "routes", "test", "--config.file", ROUTES,
                             *(f"{name}={value}" for name, value in labels.items()))


class Style(unittest.TestCase):
    def test_every_alert_has_what_the_person_paged_needs(self):
        known = anchors(read(CONFIG, "runbooks.md"))
        for alert in rules("alert_rules.yml"):
            with self.subTest(alert["alert"]):
                self.assertRegex(alert["alert"], r"^Rollbackd[A-Z][A-Za-z]+$")
                self.assertIn(alert["labels"]["severity"], SEVERITIES)
                notes = alert["annotations"]
                self.assertEqual(set(notes), {"summary", "description", "runbook_url"})
                # The summary is the same for all alerts of a group; what differs is in the description.
                self.assertRegex(notes["summary"], r"^[A-Z][^{]+\.$")
                self.assertRegex(notes["description"], r"\.$")
                base, anchor = notes["runbook_url"].split("#")
                self.assertEqual(base, "{{ $externalLabels.rollbackd_runbooks }}")
                self.assertEqual(anchor, alert["alert"].lower())
                self.assertIn(anchor, known)
                if "absent(" in alert["expr"]:
                    self.assertIn("for", alert, "a restart of Prometheus must not page")

    def test_every_runbook_has_all_its_parts_and_an_alert(self):
        names = {alert["alert"] for alert in rules("alert_rules.yml")}
        sections = re.split(r"^## ", read(CONFIG, "runbooks.md"), flags=re.M)[1:]
        self.assertEqual({section.split("\n")[0] for section in sections}, names)
        for section in sections:
            with self.subTest(section.split("\n")[0]):
                parts = re.findall(r"^\*\*(.+?)(?:\.\*\*|\*\*)", section, flags=re.M)
                self.assertEqual(parts, ["Meaning", "Impact", "First look", "What to do", "Over when"])
                self.assertRegex(section, r"First look\.\*\*\n\n```\n[^`]+\n```")

    def test_links_of_the_runbooks_lead_somewhere(self):
        text = read(CONFIG, "runbooks.md")
        known = anchors(text)
        for target in re.findall(r"\]\(([^)]+)\)", text):
            if target.startswith("#"):
                self.assertIn(target[1:], known)
            else:
                self.assertTrue(os.path.exists(os.path.join(CONFIG, target)), target)

    def test_runbooks_and_rules_name_what_exists(self):
        names = exposed() | {rule["record"] for rule in rules("recording_rules.yml")} | FOREIGN
        families = names | {line.split()[0] for line in read(ROOT, "tests", "golden", "metrics.txt").splitlines()}
        for rule in rules("alert_rules.yml") + rules("recording_rules.yml"):
            found = metrics_in(rule["expr"])
            self.assertTrue(found, rule["expr"])
            self.assertLessEqual(found, names, rule["expr"])
        for name in re.findall(r"rollbackd_[a-z0-9_]+", re.sub(r"rollbackd_index_\w+|rollbackd_attach_\w+|"
                                                               r"rollbackd_stamp|rollbackd_runbooks|rollbackd_\*", "",
                                                               read(CONFIG, "runbooks.md"))):
            self.assertTrue(any(family.startswith(name) for family in families), name)

    def test_log_lines_that_a_runbook_looks_for_are_written(self):
        source = "".join(read(path) for path in glob.glob(os.path.join(ROOT, "engine", "**", "*.cpp"), recursive=True))
        for group in EVENT.findall(read(CONFIG, "runbooks.md")):
            for event in group.strip("()").split("|"):
                self.assertRegex(source, f'"{event}[a-z_]*"', event)

    def test_recording_rules_are_called_level_metric_operations(self):
        for rule in rules("recording_rules.yml"):
            self.assertRegex(rule["record"], r"^[a-z_]+:rollbackd_[a-z0-9_]+:[a-z0-9_]+$")

    def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent(self):
        cases = {}
        for file in glob.glob(os.path.join(HERE, "*alerts_test.yml")):
            for expected in (test for case in yaml.safe_load(read(file))["tests"] for test in case["alert_rule_test"]):
                cases.setdefault(expected["alertname"], set()).add(bool(expected["exp_alerts"]))
        names = [alert["alert"] for alert in rules("alert_rules.yml")]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(cases, {name: {True, False} for name in names})


if __name__ == "__main__":
    missing = [tool for tool in ("promtool", "amtool") if shutil.which(tool) is None]
    if missing:
        print(f"skipped: {' and '.join(missing)} not installed: ./dev setup test")
        sys.exit(77)
    unittest.main()
