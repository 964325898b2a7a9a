#!/usr/bin/env python3
"""What can be known of the dashboards and their provisioning without Grafana: how they are laid out and described,
the rules of Grafana's linter, and that every metric they ask for exists."""

import copy
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import linter
from canonical import canonical
from model import FOLDER, MACRO, ROOT, SELECTOR, VARIABLE, All, Dashboard, dashboards, interpolated

import yaml

# People have links to them, and the Debian package, the alerts and the docs name them.
UIDS = {"overview": "rollbackd-overview", "rollback": "rollbackd-rollback", "feed": "rollbackd-feed"}
COLUMNS = 24
TIME_VARIABLES = {"__rate_interval": "5m", "__interval": "1m", "__range": "1h"}
EVERYTHING = {name: All(".+") for name in ("job", "instance", "environment", "service")} | {"cluster": All(".*")}
RANGED = re.compile(r"\b(rate|irate|increase)\($")
COUNTING = ("_bucket", "_sum", "_count")


def metric_types():
    """{metric: counter, gauge or histogram}, of what a daemon really tells; the series of a histogram are counters."""
    types = {"up": "gauge"}
    for line in (ROOT / "tests/golden/metrics.txt").read_text(encoding="utf-8").splitlines():
        name, kind = line.split()[:2]
        types[name] = kind
        if kind == "histogram":
            types.update({name + ending: "counter" for ending in COUNTING})
    return types


def cells_of(panel):
    at = panel.raw["gridPos"]
    return itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"]))


class Layout(unittest.TestCase):
    def test_the_three_are_there_under_the_names_that_links_have(self):
        self.assertEqual({one.path.stem: one.raw["uid"] for one in dashboards()}, UIDS)
        for dashboard in dashboards():
            with self.subTest(dashboard.title):
                raw = dashboard.raw
                self.assertEqual((raw["id"], raw["timezone"], raw["tags"]), (None, "utc", ["rollbackd"]))
                self.assertLessEqual(39, raw["schemaVersion"])
                self.assertLess(raw["schemaVersion"], 43, "newer ones are not read by the Grafana that people have")

    def test_they_are_written_so_that_a_change_is_a_few_lines(self):
        for dashboard in dashboards():
            with self.subTest(dashboard.title):
                self.assertEqual(dashboard.path.read_text(encoding="utf-8"), canonical(dashboard.raw),
                                 "python3 -B tests/grafana/canonical.py grafana/*.json")

    def test_panels_fill_the_grid_and_none_lies_on_another(self):
        for dashboard in dashboards():
            with self.subTest(dashboard.title):
                taken = {}
                for panel in dashboard.panels:
                    for cell in cells_of(panel):
                        self.assertNotIn(cell, taken, f"{panel.title} lies on {taken.get(cell)}")
                        self.assertLess(cell[0], COLUMNS, panel.title)
                        taken[cell] = panel.title
                bottom = max(y for _, y in taken) + 1
                self.assertEqual(len(taken), COLUMNS * bottom, "a hole, which Grafana would fill by moving panels")
                places = [(one.raw["gridPos"]["y"], one.raw["gridPos"]["x"]) for one in dashboard.panels]
                self.assertEqual(places, sorted(places), "the order of the file is not that of the screen")
                identifiers = [one.raw["id"] for one in dashboard.panels]
                self.assertEqual(len(set(identifiers)), len(identifiers))

    def test_every_panel_says_how_to_read_it(self):
        titles = set()
        for dashboard in dashboards():
            with self.subTest(dashboard.title):
                for panel in dashboard.shown():
                    self.assertGreaterEqual(len(panel.description), 20, panel.title)
                    self.assertTrue(panel.description.endswith("."), panel.title)
                    self.assertNotIn((dashboard.title, panel.title), titles)
                    titles.add((dashboard.title, panel.title))

    def test_every_panel_has_a_unit_and_thresholds(self):
        for dashboard in dashboards():
            with self.subTest(dashboard.title):
                for panel in dashboard.shown():
                    self.assertTrue(panel.defaults.get("unit"), panel.title)
                    steps = panel.defaults["thresholds"]["steps"]
                    self.assertIsNone(steps[0]["value"], panel.title)
                    values = [step["value"] for step in steps[1:]]
                    self.assertEqual(values, sorted(set(values)), panel.title)

    def test_deployments_and_rollbacks_are_marked_wherever_time_is_the_axis(self):
        for dashboard in dashboards():
            with self.subTest(dashboard.title):
                if any(panel.type == "timeseries" for panel in dashboard.panels):
                    self.assertEqual([one["name"] for one in dashboard.raw["annotations"]["list"]],
                                     ["Deployments", "Rollbacks"])

    def test_a_link_leads_to_a_dashboard_and_a_variable_that_are_there(self):
        known = {one.raw["uid"]: {v["name"] for v in one.variables} for one in dashboards()}
        for dashboard in dashboards():
            with self.subTest(dashboard.title):
                for uid, variable in re.findall(r"/d/([\w-]+)/[^?\"]*\?var-(\w+)=", dashboard.path.read_text()):
                    self.assertIn(variable, known[uid])


class Queries(unittest.TestCase):
    @staticmethod
    def each():
        for dashboard in dashboards():
            for target in dashboard.targets() + dashboard.annotations:
                yield dashboard, target

    def test_every_variable_is_one(self):
        for dashboard, target in self.each():
            with self.subTest(dashboard.title, query=target.of):
                names = {one["name"] for one in dashboard.variables} | set(TIME_VARIABLES)
                text = MACRO.sub("", target.text).replace("$re$", "") if target.is_sql else target.text
                used = {found[0] or found[2] for found in VARIABLE.findall(text)}
                self.assertLessEqual(used, names)
                self.assertIn(target.raw["datasource"]["uid"].strip("${}"), names)

    def test_a_name_that_people_chose_stays_in_its_place(self):
        """Within SQL they stand as sqlstring, or as a regular expression between $re$ and $re$."""
        for dashboard, target in self.each():
            with self.subTest(dashboard.title, query=target.of):
                if target.is_sql:
                    text = MACRO.sub("", target.text)
                    rest = re.sub(r"\$re\$\^\(\$\{\w+:regex\}\)\$\$re\$|\$\{\w+:sqlstring\}", "", text)
                    self.assertEqual(VARIABLE.findall(rest), [])

    def test_every_metric_exists_and_is_used_as_what_it_is(self):
        types = metric_types()
        for dashboard, target in self.each():
            with self.subTest(dashboard.title, query=target.of):
                for found in () if target.is_sql else SELECTOR.finditer(target.text):
                    name = found.group(1)
                    self.assertIn(name, types)
                    is_ranged = bool(RANGED.search(target.text[:found.start()]))
                    self.assertEqual(types[name] == "counter", is_ranged, f"{name} is a {types[name]}")

    def test_promql_parses(self):
        promtool = shutil.which("promtool", path=os.environ["PATH"] + f":{ROOT / 'build/tools'}")
        if not promtool:
            self.skipTest("there is no promtool. ./dev setup test")
        queries = [target for one in dashboards() for target in one.targets() if not target.is_sql]
        rules = [{"record": f"query:{number}", "expr": interpolated(target, {**EVERYTHING, **TIME_VARIABLES})}
                 for number, target in enumerate(queries)]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}, file)
            file.flush()
            done = subprocess.run([promtool, "check", "rules", "--lint=none", file.name],
                                  capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def change(raw, kind, number=0):
    """The panel of this kind, to be spoilt."""
    return [panel for panel in raw["panels"] if panel["type"] == kind][number]


def variable(raw, name):
    return next(one for one in raw["templating"]["list"] if one["name"] == name)


def ask(raw, expr):
    change(raw, "timeseries")["targets"][0]["expr"] = expr


SOME_UNITS = {"none", "s", "cpm", "short", "percentunit"}
MATCHED = '{job=~"$job", instance=~"$instance"}'
# For each rule a mistake that it has to find, in a dashboard that is right.
MISTAKES = {
    "template-datasource-rule": lambda raw: variable(raw, "prometheus_datasource").update(name="prom"),
    "template-job-rule": lambda raw: variable(raw, "job").update(allValue=".*"),
    "template-instance-rule": lambda raw: variable(raw, "instance").update(multi=False),
    "template-label-promql-rule": lambda raw: variable(raw, "job").update(query="select 1"),
    "template-on-time-change-reload-rule": lambda raw: variable(raw, "job").update(refresh=1),
    "panel-datasource-rule": lambda raw: change(raw, "timeseries").update(
        datasource={"type": "prometheus", "uid": "mine"}),
    "panel-title-description-rule": lambda raw: change(raw, "stat").update(description=""),
    "panel-units-rule": lambda raw: change(raw, "timeseries")["fieldConfig"]["defaults"].update(unit="secs"),
    "panel-no-targets-rule": lambda raw: change(raw, "stat").update(targets=[]),
    "target-logql-rule": lambda raw: change(raw, "timeseries")["targets"][0].update(datasource={"type": "loki"}),
    "target-logql-auto-rule": lambda raw: change(raw, "timeseries")["targets"][0].update(datasource={"type": "loki"}),
    "target-promql-rule": lambda raw: change(raw, "timeseries")["targets"].append(change(raw, "stat")["targets"][0]),
    "target-rate-interval-rule": lambda raw: ask(raw, f"rate(rollbackd_samples_total{MATCHED}[5m])"),
    "target-job-rule": lambda raw: ask(raw, 'rollbackd_leader{instance=~"$instance"}'),
    "target-instance-rule": lambda raw: ask(raw, 'rollbackd_leader{job=~"$job"}'),
    "target-counter-agg-rule": lambda raw: ask(raw, f"rollbackd_samples_total{MATCHED}"),
    "uneditable-dashboard": lambda raw: raw.update(editable=True),
}


class Linter(unittest.TestCase):
    def test_it_finds_nothing_but_what_is_meant_so(self):
        meant = linter.exclusions()
        met = set()
        for dashboard in dashboards():
            for finding in linter.findings(dashboard):
                place = (finding.rule, finding.dashboard, finding.panel)
                self.assertIn(place, meant, str(finding))
                met.add(place)
        self.assertEqual(met, set(meant), "grafana/.lint excludes what is not there")

    def test_every_rule_can_fail(self):
        self.assertEqual(set(MISTAKES), set(linter.rules()))
        right = Dashboard(FOLDER / "overview.json")
        usual = {str(one) for one in linter.findings(right)}
        for rule, mistake in MISTAKES.items():
            with self.subTest(rule):
                spoilt = copy.deepcopy(right.raw)
                mistake(spoilt)
                with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                    json.dump(spoilt, file)
                    file.flush()
                    found = linter.findings(Dashboard(pathlib.Path(file.name)), SOME_UNITS)
                self.assertIn(rule, {one.rule for one in found if str(one) not in usual})


class Provisioning(unittest.TestCase):
    @staticmethod
    def load(name):
        return yaml.safe_load((FOLDER / "provisioning" / name).read_text(encoding="utf-8"))

    def test_the_data_sources_are_those_that_the_dashboards_ask_for(self):
        sources = self.load("datasources/rollbackd.yaml")
        self.assertEqual(sources["apiVersion"], 1)
        asked = {v["query"] for one in dashboards() for v in one.variables if v["type"] == "datasource"}
        self.assertEqual({one["type"] for one in sources["datasources"]}, asked)
        for one in sources["datasources"]:
            self.assertTrue(one["name"] and one["uid"] and one["url"] and one["access"] == "proxy")

    def test_the_database_is_read_as_a_member_of_the_readers_and_without_a_secret_here(self):
        sources = self.load("datasources/rollbackd.yaml")["datasources"]
        database = next(one for one in sources if one["type"] == "postgres")
        self.assertNotIn(database["user"], ("rollbackd", "postgres"))
        self.assertRegex(database["secureJsonData"]["password"], r"^\$__(file|env)\{")
        self.assertNotEqual(database["jsonData"]["sslmode"], "disable")

    def test_the_dashboards_are_found_in_a_folder(self):
        provider = self.load("dashboards/rollbackd.yaml")["providers"][0]
        self.assertEqual((provider["type"], provider["allowUiUpdates"]), ("file", False))
        self.assertIn(provider["options"]["path"], (FOLDER / "README.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
