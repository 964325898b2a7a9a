#!/usr/bin/env python3
"""The dashboards against Grafana's own types: the whole against @grafana/schema; options, custom fields, units and
queries, of which that knows nothing, against the foundation SDK. Both by npm, see tests/support/grafana/setup.sh."""

import copy
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from model import ROOT, dashboards

TOOLS = ROOT / "build/tools/grafana"
SDK = "@grafana/grafana-foundation-sdk"
WITH_FIELDS = ("timeseries", "table", "trend", "heatmap")

# An enumeration's values as texts: that is what JSON has. What a key is not known for stays an error.
HEAD = f"""
type Plain<T> = T extends string ? `${{T}}` : T extends number ? T
  : T extends readonly (infer E)[] ? Plain<E>[] : T extends object ? {{ [K in keyof T]: Plain<T[K]> }} : T;
type Query<T> = Omit<Plain<T>, '_implementsDataqueryVariant'>;
import type {{ Dashboard }} from '@grafana/schema';
import type {{ Dataquery as PrometheusQuery }} from '{SDK}/prometheus';
import * as units from '{SDK}/units';
type Unit = (typeof units)[keyof typeof units];
interface SqlQuery {{ refId: string; datasource: {{ type: 'postgres'; uid: string }}; editorMode: 'code';
  format: 'table'; rawQuery: true; rawSql: string }}
"""


def literal(value):
    return json.dumps(value, ensure_ascii=False)


def units_of(panel):
    used = [panel["fieldConfig"]["defaults"]["unit"]]
    used += [p["value"] for o in panel["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "unit"]
    return used


def whole(raw):
    """What @grafana/schema is asked about. Its types know an annotation's query of Grafana's own only, and a
    variable's query as a text or an object without a form."""
    raw = copy.deepcopy(raw)
    for annotation in raw["annotations"]["list"]:
        del annotation["target"]
    return raw


def source_of(raw):
    """TypeScript that compiles if, and only if, the dashboard is what the types say."""
    kinds = sorted({panel["type"] for panel in raw["panels"]} - {"row"})
    parts = [HEAD]
    for kind in kinds:
        parts.append(f"import type * as {kind}_ from '{SDK}/{kind}';")
    parts.append(f"export const dashboard: Plain<Dashboard> = {literal(whole(raw))};")
    for number, panel in enumerate(one for one in raw["panels"] if one["type"] != "row"):
        kind = panel["type"]
        parts.append(f"export const options{number}: Plain<{kind}_.Options> = {literal(panel['options'])};")
        parts.append(f"export const units{number}: Unit[] = {literal(units_of(panel))};")
        if "custom" in panel["fieldConfig"]["defaults"]:
            fields = f"{kind}_.FieldConfig" if kind in WITH_FIELDS else "never"
            parts.append(f"export const custom{number}: Plain<{fields}> = "
                         f"{literal(panel['fieldConfig']['defaults']['custom'])};")
        for target in panel["targets"]:
            query = "SqlQuery" if target["datasource"]["type"] == "postgres" else "Query<PrometheusQuery>"
            parts.append(f"export const query{number}{target['refId']}: {query} = {literal(target)};")
    for number, annotation in enumerate(raw["annotations"]["list"]):
        parts.append(f"export const annotation{number}: SqlQuery = {literal(annotation['target'])};")
    return "\n".join(parts) + "\n"


def complaints(sources):
    """What the compiler says of each: {name: its errors}."""
    with tempfile.TemporaryDirectory(dir=TOOLS, prefix="check.") as folder:
        for name, text in sources.items():
            pathlib.Path(folder, f"{name}.ts").write_text(text, encoding="utf-8")
        done = subprocess.run(
            ["node", str(TOOLS / "node_modules/typescript/bin/tsc"), "--strict", "--noEmit", "--skipLibCheck",
             "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext",
             *sorted(str(path) for path in pathlib.Path(folder).glob("*.ts"))],
            capture_output=True, text=True, check=False, cwd=folder)
    found = {name: [] for name in sources}
    for line in done.stdout.splitlines():
        at = re.match(r"(?:.*/)?(\w+)\.ts\(", line)
        if at:
            found[at.group(1)].append(line)
        elif line.startswith("error"):
            raise AssertionError(line)
    if done.returncode != 0 and not any(found.values()):
        raise AssertionError(done.stdout + done.stderr)
    return found


# Each is one mistake that a person makes; its name, and where it is made in a dashboard that is right.
MISTAKES = {
    "a_key_that_no_dashboard_has": lambda raw: raw.update(refreshh="10s"),
    "a_word_for_a_number": lambda raw: raw["panels"][0]["gridPos"].update(w="4"),
    "a_cursor_that_is_none": lambda raw: raw.update(graphTooltip=9),
    "an_option_that_no_stat_has": lambda raw: raw["panels"][0]["options"].update(colourMode="value"),
    "a_value_that_no_option_has": lambda raw: raw["panels"][0]["options"].update(colorMode="purple"),
    "a_unit_that_is_none": lambda raw: raw["panels"][0]["fieldConfig"]["defaults"].update(unit="secs"),
    "a_misspelt_query": lambda raw: raw["panels"][5]["targets"][0].update(exprr="up"),
    "a_query_without_sql": lambda raw: raw["panels"][0]["targets"][0].pop("rawSql"),
    "a_line_that_cannot_be_drawn": lambda raw: next(
        panel for panel in raw["panels"] if panel["type"] == "timeseries"
    )["fieldConfig"]["defaults"]["custom"].update(drawStyle="dots"),
}


class Types(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dashboards = {one.path.stem: one.raw for one in dashboards()}
        sources = {name: source_of(raw) for name, raw in cls.dashboards.items()}
        for name, mistake in MISTAKES.items():
            raw = copy.deepcopy(cls.dashboards["overview"])
            mistake(raw)
            sources[name] = source_of(raw)
        cls.complaints = complaints(sources)

    def test_every_dashboard_is_what_the_types_say(self):
        for name in self.dashboards:
            with self.subTest(name):
                self.assertEqual(self.complaints[name], [])

    def test_a_mistake_is_found(self):
        for name in MISTAKES:
            with self.subTest(name):
                self.assertTrue(self.complaints[name])


if __name__ == "__main__":
    if not shutil.which("node") or not (TOOLS / "node_modules/typescript").exists():
        print("skipped: Grafana's types are not here. ./dev setup test, where there is npm")
        sys.exit(77)
    unittest.main()
