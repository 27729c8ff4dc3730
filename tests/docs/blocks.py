"""Fenced blocks of the documentation, and which test runs them.

usage: tests/docs/blocks.py steps FILE
           the commands of a page, as calls of the shell function `step`
       tests/docs/blocks.py scripts FILE DIRECTORY
           its snippets for Kamailio, each as a whole script

A block of a language in RUN is run by the test that is named there. Any other of a language in
LANGUAGES has an HTML comment above it with the reason: <!-- not run: reason -->.
A comment <!-- run: COMMAND --> is for a step that the reader does by hand.
"""

import pathlib
import re
import shlex
import sys
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]

LANGUAGES = {"sh", "console", "kamailio", "lua", "http", "json"}
RUN = {
    ("docs/tutorial.md", "sh"): "tests/e2e/up",
    ("docs/tutorial.md", "console"): "tests/e2e/up",
    ("docs/SIP-ESCALATE-INTEGRATION.md", "sh"): "tests/e2e/up",
    ("docs/kamailio.md", "kamailio"): "tests/e2e/docs-kamailio",
    ("docs/migration.md", "kamailio"): "tests/e2e/docs-kamailio",
    ("docs/api.md", "http"): "crates/ife-bridge/tests/api_page.rs",
    ("docs/api.md", "json"): "crates/ife-bridge/tests/api_page.rs",
}
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)
COMMENT = re.compile(r"<!-- (run|not run): (.*?) -->", re.S)
# Output of a command whose refusal the page shows.
REFUSED = re.compile(
    r"^(ifectl|\S+ ERROR refused to start|rpc [\w.]+|not done|refused[^:]*): |^ *[\d.]+ +failed ",
    re.M,
)


class Block:
    def __init__(self, page, match):
        indent, self.language, text = match.groups()
        self.text = re.sub(rf"^{indent}", "", text, flags=re.M)
        self.line = page.count("\n", 0, match.start()) + 1
        above = page[: match.start()].rstrip().rpartition("\n\n")[2]
        comment = COMMENT.fullmatch(above.strip())
        self.reason = comment[2] if comment and comment[1] == "not run" else None


def blocks(path):
    page = path.read_text(encoding="utf-8")
    return [Block(page, match) for match in FENCE.finditer(page)]


def unfenced(path):
    """Lines of code that stand indented, where no language can be named."""
    page = FENCE.sub(lambda match: "\n" * match[0].count("\n"), path.read_text(encoding="utf-8"))
    for number, (above, line) in enumerate(zip(page.split("\n"), page.split("\n")[1:]), start=2):
        if not above and re.match(r" {4,}[^\s-]", line):
            yield number


def commands(block):
    """(command, output) of a block; a line that ends in a backslash goes on."""
    if block.language == "sh":
        yield block.text, None
        return
    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        command, output = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n?(.*)", part, re.S).groups()
        yield command, output


def steps(path):
    """Shell text: `step PLACE STATUS OUTPUT COMMAND` for each command of a page, in its order."""
    page = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT)
    found = [
        (match.start(), [(match[2], None)]) for match in COMMENT.finditer(page) if match[1] == "run"
    ]
    for match, block in zip(FENCE.finditer(page), blocks(path)):
        if (str(name), block.language) in RUN and block.reason is None:
            found.append((match.start(), list(commands(block))))
    for start, listed in sorted(found):
        place = f"{name}:{page.count(chr(10), 0, start) + 1}"
        for command, output in listed:
            status = "refused" if output and REFUSED.search(output) else "done"
            print("step", *map(shlex.quote, (place, status, output or "", command)))


WHOLE = re.compile(
    r"^(loadmodule|modparam|request_route|reply_route|event_route|failure_route|[a-z_]+ *=)", re.M
)
FRAME = """#!KAMAILIO
listen=udp:127.0.0.1:5060
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "dispatcher.so"
loadmodule "pike.so"
loadmodule "htable.so"
modparam("htable", "htable", "banned=>size=4;")
"""


def kamailio_code(path):
    """(place, code) of each snippet of a page, or example of the module's documentation."""
    if path.suffix == ".xml":
        for example in ElementTree.parse(path).iter("example"):
            code = example.findtext("programlisting")
            if code:
                title = "".join(example.find("title").itertext())
                yield (
                    re.sub(r"\W+", "-", title),
                    code.strip().removeprefix("...").removesuffix("..."),
                )
    else:
        for block in blocks(path):
            if block.language == "kamailio" and block.reason is None:
                yield f"line-{block.line}", block.text


def scripts(path, directory):
    """Writes a script for each snippet: statements stand in a route of their own."""
    for place, text in kamailio_code(path):
        if not WHOLE.search(text):
            text = f"request_route {{\n{text}\n}}\n"
        if "if_escalate.so" not in text:
            text = 'loadmodule "if_escalate.so"\n' + text
        if "request_route" not in text:
            text += "\nrequest_route { exit; }\n"
        for name in sorted(set(re.findall(r"\broute\((\w+)\)", text))):
            text += f"\nroute[{name}] {{ exit; }}\n"
        (directory / f"{path.name}-{place}.cfg").write_text(FRAME + text, encoding="utf-8")


def main(what, path, *more):
    if what == "steps":
        steps(pathlib.Path(path).resolve())
    else:
        scripts(pathlib.Path(path).resolve(), *map(pathlib.Path, more))


if __name__ == "__main__":
    main(*sys.argv[1:])
