"""Pastes the pieces of docs/kamailio.md into a stock kamailio.cfg.

usage: paste.py STOCK PAGE OUTPUT MODULES_FILE ROUTE_FILE

MODULES_FILE has lines that go above the piece with the module, ROUTE_FILE statements that go above
the piece for request_route.
"""

import pathlib
import re
import sys

SECTION = "## Into an existing deployment"
ABOVE_PARAMETERS = "# ----------------- setting module-specific parameters"
ABOVE_DIALOGS = "\t# handle requests within SIP dialogs\n\troute(WITHINDLG);\n"


def pieces(page):
    section = page.partition(SECTION)[2].partition("\n## ")[0]
    found = re.findall(r"^```kamailio\n(.*?)^```$", section, re.M | re.S)
    if len(found) != 2:
        sys.exit(f"{len(found)} pieces in the section, not 2")
    lines = len(found[1].splitlines())
    if lines > 10:
        sys.exit(f"the piece for request_route has {lines} lines, more than 10")
    return found


def insert(text, piece, above):
    if text.count(above) != 1:
        sys.exit(f"the stock file has {above.strip()!r} {text.count(above)} times")
    return text.replace(above, f"{piece}\n{above}")


def main(stock, page, output, modules, statements):
    def text(name):
        return pathlib.Path(name).read_text(encoding="utf-8")

    module, route = pieces(text(page))
    script = insert(text(stock), text(modules) + module, ABOVE_PARAMETERS)
    script = insert(script, text(statements) + route, ABOVE_DIALOGS)
    pathlib.Path(output).write_text(script, encoding="utf-8")


main(*sys.argv[1:])
