#!/usr/bin/env python3
"""How the dashboards are written down, so that a change made in Grafana is a change of a few lines here.

    canonical.py FILE…   rewrites each so; after an export from Grafana

What fits into a line is on one.
"""

import json
import pathlib
import sys

WIDTH = 120


def lines_of(value, indent, room):
    """`room`: what stands on the line besides it."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not value or len(" " * indent + short) + room <= WIDTH:
        return short
    inner = " " * (indent + 2)
    if isinstance(value, list):
        parts = [lines_of(one, indent + 2, 1) for one in value]
        opening, closing = "[]"
    else:
        parts = []
        for key, one in value.items():
            name = json.dumps(key, ensure_ascii=False) + ": "
            parts.append(name + lines_of(one, indent + 2, len(name) + 1))
        opening, closing = "{}"
    return opening + "\n" + ",\n".join(inner + part for part in parts) + "\n" + " " * indent + closing


def canonical(dashboard):
    return lines_of(dashboard, 0, 0) + "\n"


def main():
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        path.write_text(canonical(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
