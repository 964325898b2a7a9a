"""The API's document, engine/http/openapi.json: which operation an exchange is of, and its strict form."""

import copy
import json
import re

METHODS = ("get", "post", "patch", "put", "delete")
SUPABASE = "/functions/v1"


class Document:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.whole = json.load(file)
        self.operations = []  # (method, path of the document, its pattern, the operation)
        for path, item in self.whole["paths"].items():
            pattern = re.compile(re.sub(r"\\\{[^/]*?\\\}", "[^/?]+", re.escape(path)) + r"(\?|$)")
            for method in METHODS:
                if method in item:
                    self.operations.append((method.upper(), path, pattern, item[method]))

    def resolved(self, thing):
        while "$ref" in thing:
            target = self.whole
            for key in thing["$ref"].split("/")[1:]:
                target = target[key.replace("~1", "/")]
            thing = target
        return thing

    def operation_of(self, method, path):
        """(path, operation) of a request's canonical path; None: it is of none."""
        for known, name, pattern, operation in self.operations:
            if known == method and pattern.match(path):
                return name, operation
        return None

    def strict(self):
        """What is the same, but takes no key in an answer that it does not name.

        Clients have to bear new keys, so the document itself forbids none. What is part of a request stays
        open: there, unknown keys are ignored.
        """
        document = copy.deepcopy(self.whole)
        asked = set()
        for _, _, _, operation in self.operations:
            asked |= schemas_in(self.whole, operation.get("requestBody", {}))
        for name, schema in document["components"]["schemas"].items():
            if name not in asked:
                close(schema)
        for item in document["paths"].values():
            item.pop("servers", None)  # both spellings of a path are replayed as one
            for method in METHODS:
                close(item.get(method, {}).get("responses", {}))
        return document


def schemas_in(whole, node):
    """Names of the schemas that a part of the document refers to, directly or through others."""
    found = set()
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("#/components/schemas/")[2]
            if name and name not in found:
                found.add(name)
                waiting.append(whole["components"]["schemas"][name])
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found


def close(node):
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and "additionalProperties" not in node:
            node["additionalProperties"] = False
        for key, child in node.items():
            if key not in ("example", "examples"):
                close(child)
    elif isinstance(node, list):
        for child in node:
            close(child)


def canonical(path):
    """Both spellings of the API's paths as one."""
    return path[len(SUPABASE):] if path.startswith(SUPABASE + "/auto-rollback") else path
