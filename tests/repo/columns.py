"""Lines have at most 100 columns, where a tab counts four, as in .clang-format."""

import ast
import re

import blocks as snippets
from tree import kind_of, name_of, text_of, tracked

SHELL = {".sh", "#!"}
CODE = {".rs", ".c", ".h", ".js", ".mjs", ".py", ".cfg", ".html", ".css"} | SHELL
HERE_DOCUMENT = re.compile(r"<<-?[\"']?(\w+)[^\n]*\n.*?^\t*\1$", re.S | re.M)
TEXTS = {
    ".rs": re.compile(r'\br(#+)".*?"\1', re.S),
    ".sh": HERE_DOCUMENT,
    "#!": HERE_DOCUMENT,
}


def lines_of_strings(path):
    """Numbers of the lines that belong to a string: a raw one in Rust, a here-document in shell,
    one of several lines in Python that is no docstring."""
    text = text_of(path)
    if kind_of(path) in TEXTS:
        spans = [
            (text.count("\n", 0, string.start()) + 1, text.count("\n", 0, string.end()) + 1)
            for string in TEXTS[kind_of(path)].finditer(text)
        ]
    elif path.suffix == ".py":
        tree = ast.parse(text)
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        spans = [
            (node.lineno, node.end_lineno)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Constant, ast.JoinedStr))
            and id(node) not in docstrings
            and node.lineno < node.end_lineno
        ]
    else:
        spans = []
    return {number for first, last in spans for number in range(first, last + 1)}


def check_line_lengths():
    """Code, scripts and pages.

    Longer may be: in Rust drawings and tables (blanks in a row, or bars); text of a string, in
    shell and Kamailio's language every line with a quoted one, unless it is a comment.
    """
    for path in tracked():
        kind, name = kind_of(path), name_of(path)
        if kind not in CODE or "/vendor/" in name:
            continue
        strings = lines_of_strings(path)
        for number, line in enumerate(text_of(path).split("\n"), start=1):
            columns, text = len(line.expandtabs(4)), line.strip()
            if columns <= 100 or number in strings:
                continue
            is_drawing = kind == ".rs" and any(mark in text for mark in ("  ", "|", "--+--"))
            is_quoting = kind in SHELL | {".cfg"} and re.match(r"(?!#).*[\"']", text)
            if not is_drawing and not is_quoting:
                yield f"{name}:{number}: {columns} columns"


def check_prose_is_wrapped():
    """Markdown has at most 100 columns, but in tables, code and commands that a test runs."""
    for path in tracked():
        name, text = name_of(path), text_of(path)
        if path.suffix != ".md" or "/vendor/" in name:
            continue
        prose = snippets.FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)
        for number, line in enumerate(prose.split("\n"), start=1):
            if len(line) > 100 and not line.lstrip().startswith(("|", "<!-- run:")):
                yield f"{name}:{number}: {len(line)} columns"
