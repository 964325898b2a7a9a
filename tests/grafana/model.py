"""What the tests know of a dashboard: its panels, queries and variables, and what Grafana puts in their place."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "grafana"

# ${name:format}, ${name}, $name, as Grafana finds them.
VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
MACRO = re.compile(r"\$__(timeFilter|timeFrom|timeTo)\(([^)]*)\)")
# A metric of ours or of the process, and its matchers.
SELECTOR = re.compile(r"\b(rollbackd_\w+|process_\w+|up)\b(\{[^}]*\})?")


class Target:
    """One query: of a panel, an annotation or a variable."""

    def __init__(self, of, raw, datasource):
        self.of = of  # the words by which a person finds it
        self.raw = raw
        self.is_sql = datasource["type"] == "postgres"
        self.text = raw["rawSql"] if self.is_sql else raw["expr"]
        self.is_instant = raw.get("instant", False)
        self.has_range = not self.is_sql and not self.is_instant

    def metrics(self):
        return sorted({name for name, _ in SELECTOR.findall(self.text)})


class Panel:
    def __init__(self, raw):
        self.raw = raw
        self.type = raw["type"]
        self.title = raw.get("title", "")
        self.description = raw.get("description", "")
        self.targets = [Target(self.title, one, one["datasource"]) for one in raw.get("targets", [])]
        config = raw.get("fieldConfig", {})
        self.defaults = config.get("defaults", {})
        self.properties = [one for override in config.get("overrides", []) for one in override["properties"]]


class Dashboard:
    def __init__(self, path):
        self.path = path
        self.raw = json.loads(path.read_text(encoding="utf-8"))
        self.title = self.raw["title"]
        self.panels = [Panel(one) for one in self.raw["panels"]]
        self.variables = self.raw["templating"]["list"]
        self.annotations = [
            Target(f"annotation {one['name']}", one["target"], one["datasource"])
            for one in self.raw["annotations"]["list"]]

    def shown(self):
        """The panels that show something; rows only divide."""
        return [panel for panel in self.panels if panel.type != "row"]

    def targets(self):
        return [target for panel in self.panels for target in panel.targets]


def dashboards():
    return [Dashboard(path) for path in sorted(FOLDER.glob("*.json"))]


def formatted(value, form, is_sql):
    """A chosen value, or a list of them, as Grafana writes it into a query."""
    many = value if isinstance(value, list) else [value]
    if form == "sqlstring":
        return ",".join("'" + one.replace("'", "''") + "'" for one in many)
    if form == "regex" or (form is None and not is_sql):
        escaped = [re.sub(r"([\\^$*+?.()|\[\]{}/])", r"\\\1", one) for one in many]
        return escaped[0] if len(escaped) == 1 else "(" + "|".join(escaped) + ")"
    if form is None:
        return ",".join(many)
    raise ValueError(f"the tests do not know the format {form}")


class All(str):
    """Stands for a variable's allValue, which Grafana writes down as it is."""


def interpolated(target, values):
    """The query with the values of variables; a name that is none of them stays. `values`: text, list of texts,
    or All; {"from": …, "to": …} in SQL's words and {"__rate_interval": …} are among them."""

    def macro(found):
        name, column = found.groups()
        since, until = f"'{values['from']}'", f"'{values['to']}'"
        return {"timeFilter": f"{column} BETWEEN {since} AND {until}", "timeFrom": since, "timeTo": until}[name]

    def variable(found):
        name, form = found.group(1) or found.group(3), found.group(2)
        if name not in values:
            return found.group(0)
        value = values[name]
        return str(value) if isinstance(value, All) or name.startswith("__") else formatted(value, form, target.is_sql)

    text = MACRO.sub(macro, target.text) if target.is_sql else target.text
    return VARIABLE.sub(variable, text)
