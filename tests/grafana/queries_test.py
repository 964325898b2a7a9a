#!/usr/bin/env python3
"""Every query of the dashboards, asked after a real incident: SQL of PostgreSQL as rollbackd_reader, PromQL of a
Prometheus that scraped the daemon through it. Each has to give data.

    queries_test.py [--rollbackd PROGRAM]
"""

import argparse
import math
import os
import re
import shutil
import sys
import time
import unittest

from incident import ODD_ENVIRONMENT, Incident
from model import ROOT, All, Target, dashboards, interpolated

from stage import Stage  # of tests/demo, where incident.py has pointed to


class Queries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        cls.incident = Incident(cls.stage, OPTIONS.rollbackd, PROMETHEUS)
        cls.addClassCleanup(cls.incident.close)
        seconds = max(60, math.ceil(cls.incident.ended - cls.incident.began))
        cls.values = {
            "job": All(".+"), "cluster": All(".*"), "instance": All(".+"),
            "environment": All(".+"), "service": All(".+"),
            "event": cls.incident.event, "__rate_interval": "5s", "__interval": "1s", "__range": f"{seconds}s",
            "from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z",
        }

    def rows(self, target, **values):
        return self.incident.reader.rows(interpolated(target, {**self.values, **values}))

    def series(self, target):
        query = interpolated(target, self.values)
        if target.is_instant:
            return self.incident.prometheus.values(query)
        return self.incident.prometheus.values(query, self.incident.began, time.time())

    @staticmethod
    def each():
        for dashboard in dashboards():
            for panel in dashboard.shown():
                for target in panel.targets:
                    yield f"{dashboard.title}: {panel.title}: {target.raw['refId']}", panel, target

    def test_every_query_of_sql_gives_data(self):
        asked = 0
        for place, panel, target in self.each():
            with self.subTest(place):
                if target.is_sql:
                    rows = self.rows(target)
                    self.assertTrue(rows, "no row")
                    self.assertTrue(any(value is not None for row in rows for value in row.values()), "only nulls")
                    if panel.type == "stat":
                        self.assertTrue(all(value is not None for value in rows[0].values()), rows[0])
                    asked += 1
        self.assertGreater(asked, 20)

    def is_unmeasured(self, target):
        """A decision that came with a recount, on a slow machine, has no event that it could be timed from."""
        counted = self.incident.prometheus.values("rollbackd_event_to_decision_seconds_count")
        return "event_to_decision" in target.raw["expr"] and all(float(count) == 0 for count in counted)

    def test_every_query_of_prometheus_gives_data(self):
        asked = 0
        for place, _, target in self.each():
            with self.subTest(place):
                if not target.is_sql and not self.is_unmeasured(target):
                    values = self.series(target)
                    self.assertTrue([value for value in values if value != "NaN"], interpolated(target, self.values))
                    asked += 1
        self.assertGreater(asked, 40)

    def test_what_a_panel_says_of_a_column_is_about_one_that_is_there(self):
        for place, panel, target in self.each():
            with self.subTest(place):
                if target.is_sql and panel.type != "stat":
                    columns = set(self.rows(target)[0])
                    named = {one["matcher"]["options"] for one in panel.raw["fieldConfig"]["overrides"]}
                    named |= {one["displayName"] for one in panel.raw["options"].get("sortBy", [])}
                    named |= {panel.raw["options"].get("xField")} - {None}
                    self.assertLessEqual(named, columns)
                    fields = panel.raw["options"].get("reduceOptions", {}).get("fields")
                    if fields:
                        self.assertTrue(any(re.search(fields.strip("/"), column) for column in columns), fields)

    def test_annotations_have_a_time_and_a_text(self):
        for dashboard in dashboards():
            for target in dashboard.annotations:
                with self.subTest(dashboard.title, annotation=target.of):
                    row = self.rows(target)[0]
                    self.assertLessEqual({"time", "text", "tags"}, set(row))
                    self.assertTrue(row["time"] and row["text"] and row["tags"], row)

    def test_variables_offer_what_there_is(self):
        for dashboard in dashboards():
            for one in (v for v in dashboard.variables if v["type"] == "query"):
                with self.subTest(dashboard.title, variable=one["name"]):
                    if one["datasource"]["type"] == "postgres":
                        rows = self.incident.reader.rows(one["query"])
                        self.assertIn(self.incident.event, [row["__value"] for row in rows])
                        self.assertIn("production/shop v2.5.3 success", " ".join(row["__text"] for row in rows))
                        continue
                    raw = {"expr": one["query"]["query"], "refId": one["name"]}
                    query = interpolated(Target(one["name"], raw, one["datasource"]), self.values)
                    series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", query).groups()
                    found = self.incident.prometheus.ask(f"/api/v1/label/{label}/values", {"match[]": series})
                    expected = {"job": "rollbackd", "cluster": "main", "environment": "production",
                                "service": "shop"}.get(one["name"])
                    self.assertTrue(found)
                    self.assertIn(expected or found[0], found)

    def test_a_chosen_service_is_the_only_one(self):
        """However it is named: a name must not get out of its place."""
        overview = next(one for one in dashboards() if one.path.stem == "overview")
        active = next(panel for panel in overview.panels if panel.title == "Active deployments").targets[0]
        for environment in ("production", ODD_ENVIRONMENT):
            row = self.rows(active, environment=environment, service="shop")[0]
            self.assertEqual(list(row.values()), [1], environment)
        both = self.rows(active, environment=["production", ODD_ENVIRONMENT], service="shop")[0]
        self.assertEqual(list(both.values()), [2])
        self.assertEqual(list(self.rows(active, environment="product.*", service="shop")[0].values()), [0])

    def test_the_figures_are_those_of_the_incident(self):
        overview = next(one for one in dashboards() if one.path.stem == "overview")
        shown = {panel.title: list(self.rows(panel.targets[0])[0].values())[0]
                 for panel in overview.panels if panel.type == "stat" and panel.targets[0].is_sql}
        self.assertEqual(shown["Active deployments"], 2)
        self.assertEqual(shown["Rollbacks, last 24 h"], 1)
        self.assertEqual(shown["Rollback success rate, 30 d"], 1)
        self.assertEqual(shown["Approved by the laws, 30 d"], 1)
        self.assertTrue(1 <= shown["Average rollback time, 30 d"] <= 30, shown)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollbackd", default=str(ROOT / "build/release/rollbackd"))
    return parser.parse_args()


if __name__ == "__main__":
    OPTIONS = arguments()
    PROMETHEUS = shutil.which("prometheus", path=os.environ["PATH"] + f":{ROOT / 'build/tools'}")
    if not PROMETHEUS:
        print("skipped: there is no prometheus. ./dev setup test")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
