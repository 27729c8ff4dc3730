"""SIP messages as text: enough of RFC 3261 to play parties of a dialog, and as lenient as a phone.
No code of the project.
"""

import re

COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
}
LISTS = ("via", "route", "record-route", "contact", "require", "supported", "allow")


def canonical(name):
    name = name.strip().lower()
    return COMPACT.get(name, name)


def split_list(value):
    """The members of a header value, at commas outside of quotes and angle brackets."""
    parts, depth, quoted, start = [], 0, False, 0
    for at, char in enumerate(value):
        if char == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif char == "<":
            depth += 1
        elif char == ">":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(value[start:at].strip())
            start = at + 1
    return [part for part in [*parts, value[start:].strip()] if part]


def uri_of(name_addr):
    """The URI in a From, To, Contact, Route or Record-Route value."""
    match = re.search(r"<([^>]*)>", name_addr)
    return match[1] if match else name_addr.split(";")[0].strip()


def tag_of(name_addr):
    match = re.search(r";\s*tag=([^;\s]+)", name_addr[name_addr.find(">") + 1 :])
    return match[1] if match else None


class Uri:
    """scheme, user, host (IPv6 without brackets), port or None, params in lower case."""

    def __init__(self, text):
        self.text = text
        scheme, _, rest = text.partition(":")
        self.scheme = scheme.lower()
        rest = rest.split("?")[0]
        self.user, _, rest = rest.rpartition("@")
        match = re.match(r"(\[[^\]]*\]|[^:;]*)(?::(\d+))?(.*)", rest)
        self.host = match[1].strip("[]")
        self.port = int(match[2]) if match[2] else None
        pairs = (param.partition("=") for param in match[3].split(";") if param)
        self.params = {name.lower(): value for name, _, value in pairs}

    def address(self):
        """(host, port) with the scheme's or transport's default."""
        tls = self.scheme == "sips" or self.params.get("transport", "").lower() == "tls"
        return self.params.get("maddr", self.host), self.port or (5061 if tls else 5060)


class Message:
    """One request or response. `source` and `connection` are its origin."""

    def __init__(self, start, headers, body=b""):
        self.start, self.headers, self.body = start, headers, body
        self.source = self.transport = self.connection = None

    @classmethod
    def parse(cls, raw):
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace")).split("\r\n")
        headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers.append((name.strip(), value.strip()))
        return cls(lines[0], headers, body)

    def copy(self):
        twin = Message(self.start, list(self.headers), self.body)
        twin.source, twin.transport, twin.connection = self.source, self.transport, self.connection
        return twin

    def encode(self):
        headers = [
            (name, value) for name, value in self.headers if canonical(name) != "content-length"
        ]
        headers.append(("Content-Length", str(len(self.body))))
        lines = [self.start, *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + self.body

    def all(self, name):
        """Every value of a header, lists taken apart."""
        values = [value for key, value in self.headers if canonical(key) == name.lower()]
        if name.lower() not in LISTS:
            return values
        return [part for value in values for part in split_list(value)]

    def get(self, name, default=None):
        return next(iter(self.all(name)), default)

    def put(self, name, values):
        """Replaces a header by these values, one a line, where its first one was, or at the top."""
        at = next(
            (i for i, (key, _) in enumerate(self.headers) if canonical(key) == name.lower()), 0
        )
        kept = [
            (i, pair) for i, pair in enumerate(self.headers) if canonical(pair[0]) != name.lower()
        ]
        before = [pair for i, pair in kept if i < at]
        after = [pair for i, pair in kept if i >= at]
        self.headers = before + [(name, value) for value in values] + after

    def is_request(self):
        return not self.start.startswith("SIP/2.0")

    @property
    def code(self):
        return None if self.is_request() else int(self.start.split(" ", 2)[1])

    @property
    def method(self):
        return self.start.split(" ", 1)[0] if self.is_request() else self.get("cseq").split()[1]

    @property
    def ruri(self):
        return self.start.split(" ", 2)[1]

    @property
    def call_id(self):
        return self.get("call-id")

    @property
    def seq(self):
        return int(self.get("cseq").split()[0])

    def __str__(self):
        return f"{self.start} ({self.get('cseq')}, {self.call_id}) from {self.source}"


def take_messages(buffer):
    """Complete messages at the front of a stream, and the rest."""
    found = []
    while True:
        buffer = buffer.lstrip(b"\r\n")
        head, separator, rest = buffer.partition(b"\r\n\r\n")
        if not separator:
            return found, buffer
        match = re.search(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*(\d+)", head, re.I)
        length = int(match[1]) if match else 0
        if len(rest) < length:
            return found, buffer
        found.append(head + separator + rest[:length])
        buffer = rest[length:]
