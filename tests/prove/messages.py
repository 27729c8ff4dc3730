"""Reads the torture messages of messages/*.txt, which are written for people, and makes their
bytes.

The notation: a line `= NAME SECTION EXPECTED: text` begins a message; each line `|...` is one line
of it and ends in
CRLF. Within a line `\\\\` is a backslash, `\\xNN` a byte, `\\{N*text}` the text N times, and `\\+`
at the end takes the
CRLF away: the next line goes on, or the message ends there.
"""

import pathlib
import re
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent / "messages"
ESCAPE = re.compile(r"\\(?:(\\)|x([0-9a-f]{2})|\{(\d+)\*([^}]*)\})")


@dataclass
class Message:
    """One message, where it comes from, and the answers that are right: ints, "4xx", "none" or
    "any".
    """

    name: str
    source: str
    expected: list
    about: str
    raw: bytes

    def is_reply(self):
        return self.raw.startswith(b"SIP/2.0 ")

    def fits(self, code):
        """Whether the final reply `code`, or None for silence, is right."""
        if "any" in self.expected:
            return True
        if code is None:
            return "none" in self.expected or "drop" in self.expected
        return code in self.expected or ("4xx" in self.expected and 400 <= code < 500)


def line_bytes(text):
    """The bytes of one line, and whether the line end belongs to it."""
    ends = not text.endswith("\\+")
    if not ends:
        text = text[:-2]
    out, at = bytearray(), 0
    for found in ESCAPE.finditer(text):
        out += text[at : found.start()].encode("latin-1")
        backslash, byte, times, unit = found.groups()
        if backslash:
            out += b"\\"
        elif byte:
            out.append(int(byte, 16))
        else:
            out += unit.encode("latin-1") * int(times)
        at = found.end()
    out += text[at:].encode("latin-1")
    return bytes(out) + (b"\r\n" if ends else b"")


def read(name):
    """The messages of one file: "rfc4475" or "rfc5118"."""
    found = []
    for line in (HERE / f"{name}.txt").read_text(encoding="utf-8").split("\n"):
        if line.startswith("= "):
            head, _, about = line[2:].partition(": ")
            key, section, expected = head.split()
            answers = [int(e) if e.isdigit() else e for e in expected.split(",")]
            found.append(Message(key, f"{name.upper()} {section}", answers, about, b""))
        elif line.startswith("|"):
            found[-1].raw += line_bytes(line[1:])
    return found


def all_messages():
    return read("rfc4475") + read("rfc5118")
