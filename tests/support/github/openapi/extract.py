#!/usr/bin/env python3
"""Cuts the operations that rollbackd uses out of GitHub's OpenAPI description, with all they refer to.

    extract.py api.github.com.json subset.json

The whole has 811 paths and makes Prism slow.
"""

import json
import sys

OPERATIONS = (
    ("/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches", "post"),
    ("/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs", "get"),
    ("/repos/{owner}/{repo}/actions/runs/{run_id}", "get"),
    ("/repos/{owner}/{repo}/actions/runs/{run_id}/jobs", "get"),
    ("/repos/{owner}/{repo}/actions/runs/{run_id}/cancel", "post"),
    ("/rate_limit", "get"),
)


def references_in(node):
    """Every "#/components/KIND/NAME" in a part of the description."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from references_in(value)


def subset_of(whole):
    subset = {"openapi": whole["openapi"], "info": whole["info"], "paths": {}, "components": {}}
    for path, method in OPERATIONS:
        subset["paths"].setdefault(path, {})[method] = whole["paths"][path][method]
    waiting = list(references_in(subset["paths"]))
    while waiting:
        _, _, kind, name = waiting.pop().split("/")
        known = subset["components"].setdefault(kind, {})
        if name not in known:
            known[name] = whole["components"][kind][name]
            waiting.extend(references_in(known[name]))
    # It says a date, and means GitHub's search syntax: >=2026-01-01T00:00:00Z.
    del subset["components"]["parameters"]["created"]["schema"]["format"]
    return subset


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        subset = subset_of(json.load(file))
    with open(target, "w", encoding="utf-8") as file:
        json.dump(subset, file)


if __name__ == "__main__":
    main()
