"""Just enough C++ to check its layout: text without comments and literals, includes, functions.

Understands code as clang-format leaves it. It is no parser: where it is wrong, the code is unusual.
"""

import re

_IGNORED = re.compile(
    r"""//[^\n]*                                      # comment
      | /\*.*?\*/                                     # comment
      | R"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)"   # raw string
      | "(?:\\.|[^"\\\n])*"                           # string
      | \b\d[0-9a-fA-FxX']*                           # number, which may hold '
      | '(?:\\.|[^'\\\n])+'                           # character
    """,
    re.VERBOSE | re.DOTALL,
)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.MULTILINE)
_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
_NAMESPACE = re.compile(r"^(?:inline )?namespace(?: ([\w:]+))? \{")
_NAMED_TYPE = re.compile(r"^(?:struct|class|union|enum(?: class)?) (?:\[\[\w+\]\] )?(\w+)(?!\w|::|<)(?:[^;]*$|.*\{)")
_TOKEN = re.compile(r"[{}();]")
_TYPE = re.compile(r"\b(namespace|class|struct|union|enum|concept|extern)\b")
_CONSTRUCTOR = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)")
_HEAD = re.compile(r"\s*(?:(?:public|protected|private):\s*)?")
_BODY_FOLLOWS = re.compile(r"(?:\)|\bconst|\bnoexcept|\boverride|\bfinal|\bmutable|\btry|&|\})\s*$")


def _blank(match):
    text = match.group(0)
    if text[0].isdigit():
        return text
    return '""' + "\n" * text.count("\n") if text[0] in "\"R'" else "\n" * text.count("\n")


def code_of(text):
    """The text with comments removed and literals emptied; lines keep their numbers."""
    return _IGNORED.sub(_blank, text)


def includes_of(text, code):
    """(line, bracket, path) of each include; one inside a comment or a literal is none."""
    code_lines = code.split("\n")
    for number, line in enumerate(text.split("\n"), 1):
        match = _INCLUDE.match(line)
        if match and code_lines[number - 1].lstrip().startswith("#"):
            yield number, match.group(1), match.group(2)


def types_of(text, code):
    """(line, name with its namespaces) of each type at namespace scope, anonymous namespaces left out."""
    spaces = []
    lines = text.split("\n")
    for number, line in enumerate(code.split("\n"), 1):
        opened = _NAMESPACE.match(line)
        if opened and not line.rstrip().endswith("}"):
            spaces.append(opened.group(1) or "")
        elif lines[number - 1].startswith("}  // namespace") and spaces:
            spaces.pop()
        else:
            match = _NAMED_TYPE.match(line)
            if match and "" not in spaces:
                yield number, "::".join(spaces + [match.group(1)])


class _Scanner:
    """Walks the braces. Outside functions, each { is a type or namespace, a function, or data."""

    def __init__(self, code):
        self.code = _DIRECTIVE.sub(lambda m: "\n" * m.group(0).count("\n"), code)
        self.head_from = 0  # where the declaration began whose { we may meet next
        self.function_from = None
        self.function_depth = 0
        self.parentheses = 0
        self.braces = []  # kinds of the open ones: "scope", "function", "data"

    def functions(self):
        for token in _TOKEN.finditer(self.code):
            at, sign = token.start(), token.group()
            if sign in "()":
                self.parentheses += 1 if sign == "(" else -1
            elif sign == ";":
                if self.parentheses == 0 and not self._within():
                    self.head_from = at + 1
            elif sign == "{":
                self._open(at)
            elif self.braces:
                yield from self._close(at)

    def _within(self):
        return self.function_from is not None or "data" in self.braces

    def _open(self, at):
        if self._within():
            self.braces.append("data")
            return
        kind = self._kind(self.code[self.head_from : at])
        if kind == "function":
            self.function_from = self._first_letter()
            self.function_depth = len(self.braces)
            self.outer_parentheses, self.parentheses = self.parentheses, 0
        elif kind == "scope":
            self.head_from = at + 1
        self.braces.append(kind)

    def _kind(self, head):
        if self.parentheses > 0:
            return "data"
        if "(" not in head:
            return "scope" if _TYPE.search(head) else "data"
        if _CONSTRUCTOR.search(head) and not _BODY_FOLLOWS.search(head):
            return "data"  # a member's initialiser
        if re.search(r"(?<![=<>!])=\s*$", head):
            return "data"
        return "function"

    def _close(self, at):
        kind = self.braces.pop()
        if kind == "function":
            begin = self.code.count("\n", 0, self.function_from) + 1
            yield begin, self.code.count("\n", 0, at) + 1
            self.function_from = None
            self.parentheses = self.outer_parentheses
        if kind != "data":
            self.head_from = at + 1

    def _first_letter(self):
        return _HEAD.match(self.code, self.head_from).end()


def functions_of(code):
    """(first line, last line) of each function, test case and named lambda."""
    return _Scanner(code).functions()
