#!/usr/bin/env python3
"""Checks that what the .md files link to is there: files, and the headings behind a #.

    check_links.py               every finding as file:line, what is wrong
    check_links.py --self-test   proves that it can fail
"""

import os
import re
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEFT_OUT = ("build", ".git", "node_modules")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*?)\s*$", re.MULTILINE)


def pages(root):
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - set(LEFT_OUT))
        yield from (os.path.join(folder, name) for name in sorted(files) if name.endswith(".md"))


def without_code(text):
    return re.sub(r"^```.*?^```", lambda block: "\n" * block.group(0).count("\n"), text, flags=re.DOTALL | re.MULTILINE)


def anchors(path):
    """As GitHub makes them of headings."""
    with open(path, encoding="utf-8") as file:
        headings = HEADING.findall(without_code(file.read()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def findings(root):
    for page in pages(root):
        with open(page, encoding="utf-8") as file:
            lines = without_code(file.read()).splitlines()
        for number, line in enumerate(lines, 1):
            for target in LINK.findall(line):
                if re.match(r"[a-z]+:", target):
                    continue
                name, _, anchor = target.partition("#")
                path = os.path.normpath(os.path.join(os.path.dirname(page), name)) if name else page
                place = f"{os.path.relpath(page, root)}:{number}"
                if not os.path.exists(path):
                    yield f"{place}: {target}: there is no such file"
                elif anchor and path.endswith(".md") and anchor not in anchors(path):
                    yield f"{place}: {target}: there is no such heading"


def self_test():
    with tempfile.TemporaryDirectory() as root:
        with open(os.path.join(root, "a.md"), "w", encoding="utf-8") as file:
            file.write("# One & two\n[x](#one--two) [x](b.md) [x](a.md#three)\n```\n[x](c.md)\n```\n[y](https://d)\n")
        expected = ["a.md:2: b.md: there is no such file", "a.md:2: a.md#three: there is no such heading"]
        found = list(findings(root))
    if found != expected:
        print(f"self-test: {found}, expected {expected}")
        return 1
    print("links: the self-test passed")
    return 0


def main():
    if "--self-test" in sys.argv:
        return self_test()
    found = list(findings(ROOT))
    print("\n".join(found + [f"links: {len(found)} findings"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
