"""The rules of Grafana's dashboard linter, by its names, and its file of exclusions. What a rule means is told in
https://github.com/grafana/dashboard-linter, docs; a query that parses is asked of promtool, by whoever calls."""

import re

import yaml

from model import FOLDER, SELECTOR

NUMERIC = ("stat", "singlestat", "graph", "table", "timeseries", "gauge")
WITH_PROMQL = ("singlestat", "gauge", "table", "stat", "state-timeline", "timeseries")
OF_DATASOURCE = ("singlestat", "graph", "table", "timeseries")


class Finding:
    def __init__(self, rule, dashboard, panel, text):
        self.rule = rule
        self.dashboard = dashboard.title
        self.panel = panel.title if panel else None
        self.text = text

    def __str__(self):
        return f"{self.rule}: {self.dashboard}" + (f": {self.panel}" if self.panel else "") + f": {self.text}"


def datasources(dashboard):
    return [one for one in dashboard.variables if one["type"] == "datasource"]


def is_of_prometheus(dashboard):
    """The linter looks at the first data source only."""
    found = datasources(dashboard)
    return bool(found) and found[0]["query"] == "prometheus"


def template_datasource(dashboard):
    found = datasources(dashboard)
    if not found:
        yield None, "there is no variable for a data source"
    for one in found:
        names, labels = {f"{one['query']}_datasource"}, {f"{one['query'].title()} data source"}
        if len(found) == 1:
            names.add("datasource")
            labels.add("Data source")
        if one["name"] not in names:
            yield None, f"the data source is named {one['name']}, not {sorted(names)}"
        if one["label"] not in labels:
            yield None, f"the data source is labelled {one['label']}, not {sorted(labels)}"


def template_of(name):
    def rule(dashboard):
        if not is_of_prometheus(dashboard):
            return
        found = [one for one in dashboard.variables if one["name"] == name]
        if not found:
            yield None, f"there is no variable {name}"
            return
        wanted = {"type": "query", "label": name.title(), "multi": True, "allValue": ".+"}
        for key, value in wanted.items():
            if found[0].get(key) != value:
                yield None, f"variable {name}: {key} is {found[0].get(key)!r}, not {value!r}"
        uid = found[0]["datasource"]["uid"]
        if uid not in ("$datasource", "${datasource}", "$prometheus_datasource", "${prometheus_datasource}"):
            yield None, f"variable {name} uses the data source {uid}"
    return rule


def query_of(variable):
    query = variable["query"]
    return query["query"] if isinstance(query, dict) else query


def template_label_promql(dashboard):
    if not is_of_prometheus(dashboard):
        return
    for one in dashboard.variables:
        if one["type"] == "query":
            found = re.match(r"(label_names|label_values|metrics|query_result)\((.+)\)$", query_of(one))
            if not found:
                yield None, f"variable {one['name']}: {query_of(one)} is no function of Prometheus' data source"


def template_on_time_change_reload(dashboard):
    for one in dashboard.variables:
        if one["type"] == "query" and one["refresh"] != 2:
            yield None, f"variable {one['name']}: refresh is {one['refresh']}, not 2 (on time range change)"


def panel_datasource(dashboard):
    known = {form % one["name"] for one in datasources(dashboard) for form in ("$%s", "${%s}")}
    for panel in dashboard.panels:
        if panel.type in OF_DATASOURCE and panel.raw["datasource"]["uid"] not in known:
            yield panel, f"the data source {panel.raw['datasource']['uid']} is none of the variables"


def panel_title_description(dashboard):
    for panel in dashboard.panels:
        if panel.type in NUMERIC and not (panel.title and panel.description):
            yield panel, "no title or no description"


def units_known(units):
    """`units`: every identifier of a unit that Grafana has; None: not known here."""
    def rule(dashboard):
        for panel in dashboard.panels:
            is_text = panel.raw.get("options", {}).get("reduceOptions", {}).get("fields")
            has_mappings = "mappings" in panel.defaults or any(p["id"] == "mappings" for p in panel.properties)
            if panel.type not in NUMERIC or is_text or has_mappings:
                continue
            for unit in [p["value"] for p in panel.properties if p["id"] == "unit"] + [panel.defaults.get("unit")]:
                if not unit or (units and unit not in units):
                    yield panel, f"the unit is {unit!r}"
    return rule


def panel_no_targets(dashboard):
    for panel in dashboard.panels:
        if panel.type in NUMERIC and not panel.targets:
            yield panel, "no query"


def promql_targets(dashboard):
    if is_of_prometheus(dashboard):
        for panel in dashboard.panels:
            if panel.type in WITH_PROMQL:
                for target in panel.targets:
                    yield panel, target


def target_promql(dashboard):
    """A query of SQL is none; whether one parses is asked of promtool."""
    for panel, target in promql_targets(dashboard):
        if target.is_sql:
            yield panel, "a query that is no PromQL"


def target_rate_interval(dashboard):
    for panel, target in promql_targets(dashboard):
        if not target.is_sql:
            for function, span in re.findall(r"\b(i?rate)\([^\[\]]*\[([^\]]*)\]", target.text):
                if span != "$__rate_interval":
                    yield panel, f"{function} over {span} instead of $__rate_interval"


def target_matcher(name):
    def rule(dashboard):
        for panel, target in ((p, t) for p in dashboard.panels for t in p.targets if not t.is_sql):
            if target.text.count("{") != sum(bool(found) for _, found in SELECTOR.findall(target.text)):
                yield panel, f"matchers without a metric of ours: {target.text}"
            for metric, matchers in SELECTOR.findall(target.text):
                if f'{name}=~"${name}"' not in matchers:
                    yield panel, f'{metric} without {name}=~"${name}"'
    return rule


def target_counter_agg(dashboard):
    for panel in dashboard.panels:
        for target in panel.targets:
            for found in () if target.is_sql else SELECTOR.finditer(target.text):
                before, after = target.text[:found.start()], target.text[found.end():]
                is_ranged = re.search(r"\b(rate|irate|increase)\($", before) and after.startswith("[")
                if found.group(1).endswith("_total") and not is_ranged:
                    yield panel, f"{found.group(1)} without rate, irate or increase"


def uneditable_dashboard(dashboard):
    if dashboard.raw.get("editable") is not False:
        yield None, "editable is not false"


def no_loki(dashboard):
    for panel in dashboard.panels:
        for target in panel.targets:
            if target.raw["datasource"]["type"] == "loki":
                yield panel, "a query of Loki, whose rules are not tested here"


def rules(units=None):
    return {
        "template-datasource-rule": template_datasource,
        "template-job-rule": template_of("job"),
        "template-instance-rule": template_of("instance"),
        "template-label-promql-rule": template_label_promql,
        "template-on-time-change-reload-rule": template_on_time_change_reload,
        "panel-datasource-rule": panel_datasource,
        "panel-title-description-rule": panel_title_description,
        "panel-units-rule": units_known(units),
        "panel-no-targets-rule": panel_no_targets,
        "target-logql-rule": no_loki,
        "target-logql-auto-rule": no_loki,
        "target-promql-rule": target_promql,
        "target-rate-interval-rule": target_rate_interval,
        "target-job-rule": target_matcher("job"),
        "target-instance-rule": target_matcher("instance"),
        "target-counter-agg-rule": target_counter_agg,
        "uneditable-dashboard": uneditable_dashboard,
    }


def exclusions():
    """{(rule, dashboard, panel): used}, each with a reason."""
    known = yaml.safe_load((FOLDER / ".lint").read_text(encoding="utf-8"))["exclusions"]
    for rule, about in known.items():
        if not about.get("reason") or not about.get("entries"):
            raise ValueError(f"grafana/.lint: {rule} needs a reason and its entries")
    return [(rule, one["dashboard"], one.get("panel")) for rule, about in known.items() for one in about["entries"]]


def findings(dashboard, units=None):
    return [Finding(name, dashboard, panel, text)
            for name, rule in rules(units).items() for panel, text in rule(dashboard)]
