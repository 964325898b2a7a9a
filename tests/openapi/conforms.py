#!/usr/bin/env python3
"""Holds what went over the wire in the integration tests against the API's own document.

    conforms.py --document engine/http/openapi.json --prism build/tools/prism FILE.jsonl…

Each file has the requests and answers of one test, as tests/support/exchanges.cpp and recorder.mjs write them. All
of them, the examples of the document, and some mistakes that have to be found, are sent through Prism, a proxy that
checks both sides. A request that the daemon took has to be one that the document describes; one that is not has to be
refused; every answer has to be as described, with no key more. 77: Prism is not installed.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import re
import sys

from document import Document, canonical
from prism import Prism

# What a request that is not as described may be answered with; anything else was taken for a good one.
REFUSED = frozenset((400, 401, 403, 405, 413, 415, 422, 429, 503))
# What "default" stands for. Another status has to be named by its operation.
ANYWHERE = frozenset((400, 405, 408, 413, 414, 415, 417, 429, 431, 500, 503, 505))
# Its own tests speak it, with a client of their own.
SPOKEN_ELSEWHERE = frozenset(("POST /discord/interactions",))
LONG_TEXTS = ("text/html", "text/plain", "application/openmetrics-text", "text/event-stream")
CONNECTIONS = 4


def alike(text):
    """A text without what makes each answer its own: ids, times and counts. Whole numbers stay whole, negative negative."""
    return re.sub(r"\d+", "0", re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text))


def read_exchanges(files):
    """The exchanges, one of those that are alike, and how many there were."""
    seen, total = {}, 0
    for name in files:
        if not os.path.exists(name):
            continue
        with open(name, encoding="utf-8") as file:
            for line in file:
                exchange = json.loads(line)
                total += 1
                exchange["path"] = canonical(exchange["path"])
                exchange["of"] = os.path.basename(name)
                exchange.setdefault("credential", True)
                kind = content_type(exchange)
                if kind in LONG_TEXTS:
                    exchange["answer"] = exchange["answer"][:200]
                key = json.dumps([exchange[k] for k in ("method", "path", "credential", "request", "status", "answer")])
                seen.setdefault(alike(key), exchange)
    return list(seen.values()), total


def content_type(exchange):
    for name, value in exchange["headers"].items():
        if name.lower() == "content-type":
            return value.split(";")[0]
    return ""


def stranger_findings(exchange):
    """Of a path or method that the document does not have: it has to be refused, with a way out."""
    try:
        answer = json.loads(exchange["answer"])
    except ValueError:
        answer = {}
    if exchange["method"] in ("OPTIONS", "HEAD"):
        return []
    if exchange["status"] not in ANYWHERE | {404} or not {"error", "details"} <= set(answer):
        return ["the document has no such operation, and the answer is no refusal with error and details"]
    if exchange["status"] == 404 and "/openapi.json" not in answer["details"]:
        return ["the 404 does not name /openapi.json"]
    return []


def findings_of(exchange, operation, violations):
    found = []
    for violation in violations:
        where = ".".join(map(str, violation["location"]))
        was_taken = exchange["status"] not in REFUSED and not exchange.get("raw")
        if violation["location"][0] == "response" or was_taken:
            found.append(f"{where}: {violation['message']}")
    if str(exchange["status"]) not in operation["responses"] and exchange["status"] not in ANYWHERE:
        found.append("the operation does not name this status")
    return found


def examples(document):
    """An exchange for every example of an answer, with the first example of a request."""
    for method, path, _, operation in document.operations:
        item = document.whole["paths"][path]
        for parameter in item.get("parameters", []):
            parameter = document.resolved(parameter)
            if parameter["in"] == "path":
                path = path.replace("{" + parameter["name"] + "}", parameter["example"])
        sent = {p["name"]: "1" for p in map(document.resolved, operation.get("parameters", [])) if p.get("required")}
        asked = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {})
        bodies = [json.dumps(example["value"]) for example in asked.values()] or [""]
        for status, response in operation["responses"].items():
            for kind, media in document.resolved(response).get("content", {}).items():
                for name, example in media.get("examples", {}).items():
                    value = example["value"]
                    answer = value if isinstance(value, str) else json.dumps(value)
                    for body in bodies if status.startswith("2") else bodies[:1]:
                        yield {"method": method, "path": path, "credential": bool(operation.get("security", True)),
                               "request": body, "sent": sent, "status": 500 if status == "default" else int(status),
                               "headers": {"Content-Type": kind}, "answer": answer, "of": f"example {name}"}


def mistakes(good):
    """Exchanges with one mistake each, made out of good ones; all have to be found."""
    check = next(e for e in good if e["path"] == "/auto-rollback/check" and e["status"] == 200)
    answer = json.loads(check["answer"])
    without = {key: value for key, value in answer.items() if key != "reason"}
    for what, change in (
        ("a key is missing", {"answer": json.dumps(without)}),
        ("a key is not described", {"answer": json.dumps({**answer, "extra": 1})}),
        ("a number is a text", {"answer": json.dumps({**answer, "connection_utilisation": "46"})}),
        ("a word is not of its list", {"answer": json.dumps({**answer, "state": "odd"})}),
        ("a status is not described", {"status": 418}),
        ("it is no JSON", {"headers": {"Content-Type": "text/plain"}}),
        ("a request without a token is taken", {"credential": False}),
        ("a request without a field is taken", {"request": "{}"}),
        ("a field that is no uuid is taken", {"request": '{"deployment_id": "42"}'}),
    ):
        yield {**check, **change, "of": f"mistake: {what}"}


def show(exchange, findings):
    print(f"{exchange['of']}: {exchange['method']} {exchange['path']} -> {exchange['status']}")
    for finding in findings:
        print(f"    {finding}")
    print(f"    asked:    {exchange['request'][:400]}\n    answered: {exchange['answer'][:600]}")


def replay(document, program, exchanges):
    """The findings of each exchange, in order."""
    found = [None] * len(exchanges)

    def some(first):
        connection = prism.connection()
        for i in range(first, len(exchanges), CONNECTIONS):
            operation = document.operation_of(exchanges[i]["method"], exchanges[i]["path"])
            if operation is None:
                found[i] = stranger_findings(exchanges[i])
            else:
                found[i] = findings_of(exchanges[i], operation[1], prism.violations(i, connection))

    with Prism(program, document.strict(), exchanges) as prism:
        with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(some, range(CONNECTIONS)))
    return found


def never_seen(document, recorded):
    """Operations that no test ever had answered well."""
    seen = collections.Counter()
    for exchange in recorded:
        operation = document.operation_of(exchange["method"], exchange["path"])
        if operation and exchange["status"] < 300:
            seen[f"{exchange['method']} {operation[0]}"] += 1
    return sorted({f"{method} {path}" for method, path, _, _ in document.operations} - set(seen) - SPOKEN_ELSEWHERE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--document", required=True)
    parser.add_argument("--prism", required=True, help="the folder into which setup.sh installed it")
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    program = os.path.join(arguments.prism, "node_modules/.bin/prism")
    if not os.path.exists(program):
        print("skipped: Prism is not installed; with npm, ./dev setup test installs it")
        return 77
    document = Document(arguments.document)
    recorded, total = read_exchanges(arguments.files)
    good = list(examples(document))
    planted = list(mistakes(good))
    exchanges = recorded + good + planted
    found = replay(document, program, exchanges)
    wrong = 0
    for exchange, findings in zip(exchanges, found):
        if exchange["of"].startswith("mistake") != bool(findings):
            wrong += 1
            show(exchange, findings or ["this mistake was not found"])
    unseen = never_seen(document, recorded)
    for name in unseen:
        print(f"{name}: no test had it answered with success")
    print(f"openapi: {total} requests and answers of {len(arguments.files)} tests, {len(recorded)} different ones; "
          f"{len(good)} examples; {len(planted)} planted mistakes; {wrong + len(unseen)} findings")
    return 1 if wrong or unseen else 0


if __name__ == "__main__":
    sys.exit(main())
