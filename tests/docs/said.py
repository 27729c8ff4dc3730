"""Compares a command's output with that in the documentation: tests/docs/said.py SHOWN
PRINTED

Numbers, hashes, keys and spaces may differ; a line with an ellipsis may be any. Prints the lines
that are missing; the status is whether there are any.
"""

import pathlib
import re
import sys

VARIES = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}|[A-Za-z0-9+/_-]{40,}=*|\d[\d.,:]*"
)


def plain(text):
    return {" ".join(VARIES.sub("#", line).split()) for line in text.split("\n")}


shown, printed = (pathlib.Path(name).read_text(encoding="utf-8") for name in sys.argv[1:])
missing = [line for line in plain(shown) - plain(printed) if "..." not in line]
print("\n".join(missing))
sys.exit(bool(missing))
