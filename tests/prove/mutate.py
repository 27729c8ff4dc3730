"""Mutations of SIP messages, all chance from one generator."""

HUGE = (0, 1, -1, 255, 256, 65535, 65536, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, 1 << 64, 10**40)
CONTROL = b"\0\x01\x07\x08\t\n\x0b\r\x1b\x7f\x80\xff"
LONG = (63, 64, 255, 256, 1023, 1024, 1025, 1100, 2048, 4096, 9000)
HEADERS = (
    b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Max-Forwards", b"Contact", b"Route",
    b"Record-Route", b"Require", b"Content-Length", b"Content-Type", b"X-IF-Trace-ID",
    b"X-IF-Hazard", b"X-IF-Signature", b"Replaces", b"Join", b"P-Asserted-Identity",
    b"X-IF-Witness-Hash", b"Expires", b"Authorization", b"Proxy-Authorization", b"Date",
)  # fmt: skip


def bits(rng, raw, _):
    out = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def cut(rng, raw, _):
    return raw[: rng.randrange(1, len(raw))]


def drop(rng, raw, _):
    at = rng.randrange(len(raw))
    return raw[:at] + raw[at + rng.randrange(1, 40) :]


def repeat_line(rng, raw, _):
    lines = raw.split(b"\r\n")
    at = rng.randrange(len(lines))
    return b"\r\n".join(lines[:at] + [lines[at]] * rng.choice((2, 3, 50)) + lines[at + 1 :])


def drop_line(rng, raw, _):
    lines = raw.split(b"\r\n")
    del lines[rng.randrange(len(lines))]
    return b"\r\n".join(lines)


def swap_lines(rng, raw, _):
    lines = raw.split(b"\r\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\r\n".join(lines)


def splice(rng, raw, other):
    return raw[: rng.randrange(len(raw))] + other[rng.randrange(len(other)) :]


def control(rng, raw, _):
    at = rng.randrange(len(raw))
    return raw[:at] + bytes(rng.choice(CONTROL) for _ in range(rng.choice((1, 1, 4)))) + raw[at:]


def number(rng, raw, _):
    """One number of the message becomes another one."""
    places, at = [], 0
    while at < len(raw):
        end = at
        while end < len(raw) and 48 <= raw[end] <= 57:
            end += 1
        if end > at:
            places.append((at, end))
        at = end + 1
    if not places:
        return raw
    start, end = rng.choice(places)
    return raw[:start] + str(rng.choice(HUGE)).encode() + raw[end:]


def lengthen(rng, raw, _):
    """A value becomes long, at a place where one begins or ends."""
    places = [i for i, c in enumerate(raw) if c in b':;=@<>, "']
    at = rng.choice(places or [0]) + 1
    return raw[:at] + bytes([rng.choice(b'aA1.%"')]) * rng.choice(LONG) + raw[at:]


def alias(rng, raw, _):
    """A Request-URI with a parameter of ours, of any length."""
    start, end = raw.partition(b"\r\n")[::2]
    parts = start.split(b" ")
    if len(parts) < 3:
        return raw
    name = rng.choice(
        (b"alias", b"lr", b"maddr", b"transport", b"r2", b"ftag", b"received", b"user", b"method")
    )
    value = rng.choice(
        (b"1", b"1~1~1", b"203.0.113.200~5060~1", b"%41", b"::1", b"x")
    ) * rng.choice((1, 1, 10, 220, 1100))
    parts[1] += b";" + name + b"=" + value[:9000]
    return b" ".join(parts) + b"\r\n" + end


def header(rng, raw, other):
    """A header field more, its value from the other message, made up, or of a third address."""
    start, end = raw.partition(b"\r\n")[::2]
    donors = [line.partition(b":")[2] for line in other.split(b"\r\n")[1:] if b":" in line]
    value = rng.choice(
        (
            b" <sip:x@203.0.113.200:5060;lr>",
            b" SIP/2.0/UDP 203.0.113.200:5060;branch=z9hG4bKx",
            b"",
            b" " + b"x," * rng.choice((1, 100, 1500)),
            b" <sip:" + b"y" * rng.choice(LONG) + b"@203.0.113.200>",
            rng.choice(donors or [b" 1"]),
        )
    )
    return start + b"\r\n" + rng.choice(HEADERS) + b":" + value + b"\r\n" + end


def third(rng, raw, _):
    """The first address in some line becomes one where nothing may go, or a name."""
    lines = raw.split(b"\r\n")
    at = rng.randrange(len(lines))
    for old in (
        b"192.0.2.1",
        b"198.51.100.",
        b"203.0.113.1",
        b"council.example",
        b"external.advisor",
    ):
        if old in lines[at]:
            new = rng.choice((b"203.0.113.200", b"third.example", b"[::ffff:203.0.113.200]"))
            lines[at] = lines[at].replace(old, new, 1)
            break
    return b"\r\n".join(lines)


KINDS = (
    bits, bits, cut, drop, repeat_line, drop_line, swap_lines, splice, control, number, lengthen,
    alias, header, third,
)  # fmt: skip


def mutant(rng, raw, other):
    """The message after one to three mutations, and their names."""
    names = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        kind = rng.choice(KINDS)
        if len(raw) < 2:
            break
        changed = kind(rng, raw, other)
        if changed:
            raw = changed
            names.append(kind.__name__)
    return raw[:60000], "+".join(names)


# Changes after which the request is as well-formed as before, and its transaction and dialog the
# same.
def valid(rng, raw, kept=(b"x-if-",)):
    """A well-formed variant of a well-formed request, which must be answered. Fields that begin
    with one of
    `kept` are not folded."""
    head, _, body = raw.partition(b"\r\n\r\n")
    start, *fields = head.split(b"\r\n")
    for _ in range(rng.choice((1, 2, 4))):
        kind = rng.randrange(6)
        at = rng.randrange(len(fields))
        name, _, value = fields[at].partition(b":")
        if kind == 0:
            rng.shuffle(fields)
        elif kind == 1:
            fields[at] = (
                bytes(rng.choice((c, c ^ 32)) if chr(c).isalpha() else c for c in name)
                + b":"
                + value
            )
        elif kind == 2:
            fields.insert(
                at,
                b"X-"
                + bytes(rng.choice(b"aZ09-.!%*_+`'~") for _ in range(9))
                + b": "
                + b"v" * rng.choice((0, 1, 500)),
            )
        elif kind == 3 and not name.lower().startswith(kept):
            fields[at] = (
                name
                + rng.choice((b":", b" :", b"\t: "))
                + rng.choice((b" ", b"  ", b"\r\n "))
                + value.strip()
            )
        elif kind == 4:
            fields.insert(at, b'Subject: \xd0\xbf\xd1\x80 "unbalanced')
        else:
            fields[at] += b" "
    return start + b"\r\n" + b"\r\n".join(fields) + b"\r\n\r\n" + body
