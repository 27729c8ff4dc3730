"""The wire rules of IF.ESCALATE, written a second time.

Written from docs/formats.md and the RFCs, not from the Rust code: where the two disagree, one of
them is wrong. Every parser
returns a value or raises Bad(code), and the codes are part of the published vectors.
"""

import base64
import hashlib
import ipaddress
import json
import re
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Bad(Exception):
    """Input that must be refused, with the code of the reason."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


# ---- header bodies -------------------------------------------------------------------------------


def trim(body):
    return body.strip(b" \t")


def token(body, least, most, alphabet):
    """Checks in this order: empty, too long, too short, then byte by byte."""
    value = trim(body)
    if not value:
        raise Bad("empty")
    if len(value) > most:
        raise Bad("too-long")
    if len(value) < least:
        raise Bad("too-short")
    for byte in value:
        if chr(byte) not in alphabet:
            raise Bad("line-break" if byte in (10, 13) else "bad-byte")
    return value.decode("ascii")


LOWER = "abcdefghijklmnopqrstuvwxyz"
DIGIT = "0123456789"
ALNUM = LOWER + LOWER.upper() + DIGIT
VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


def trace_id(body):
    return token(body, 8, 128, ALNUM + "._:-")


def hazard(body):
    return token(body, 1, 32, LOWER + DIGIT + "_-")


def kid(body):
    return token(body, 1, 64, ALNUM + "._-")


def witness_hash(body):
    value = token(body, 71, 71, VISIBLE)
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
        raise Bad("encoding")
    return value


def covered(text):
    parts = text.split(",")
    rest = parts[1:]
    if parts[0] != "base" or len(set(rest)) != len(rest) or not set(rest) <= {"cid", "sdp"}:
        raise Bad("covered")
    return parts


def b64_exact(text, length, urlsafe, padded):
    """Decodes the one canonical encoding of `length` bytes."""
    encode = base64.urlsafe_b64encode if urlsafe else base64.b64encode
    try:
        raw = base64.b64decode(
            text + "=" * (-len(text) % 4), altchars=b"-_" if urlsafe else b"+/", validate=True
        )
    except ValueError:
        raise Bad("encoding") from None
    again = encode(raw).decode()
    if len(raw) != length or text != (again if padded else again.rstrip("=")):
        raise Bad("encoding")
    return raw


def signature_v1(value):
    if not value.startswith("v=1;"):
        raise Bad("version")
    rest = value[4:]
    found = {}
    for name in ("kid", "iat", "c"):
        value, separator, tail = rest.partition(";")
        if not value.startswith(name + "=") or not separator:
            raise Bad("parameter")
        found[name] = value[len(name) + 1:]
        rest = tail
    if not rest.startswith("sig="):
        raise Bad("parameter")
    kid(found["kid"].encode())
    if not re.fullmatch(r"0|[1-9][0-9]{0,11}", found["iat"]):
        raise Bad("iat")
    return {
        "form": "v1",
        "kid": found["kid"],
        "iat": int(found["iat"]),
        "covered": covered(found["c"]),
        "sig_hex": b64_exact(rest[4:], 64, urlsafe=True, padded=False).hex(),
    }


def signature_legacy(value):
    text = value.removeprefix("ed25519:")
    if re.fullmatch(r"[0-9A-Fa-f]{128}", text):
        return {"form": "legacy", "sig_hex": text.lower()}
    if text == value:
        raise Bad("encoding")
    return {
        "form": "legacy",
        "sig_hex": b64_exact(text, 64, urlsafe=False, padded=len(text) == 88).hex(),
    }


def signature(body):
    value = token(body, 1, 256, VISIBLE)
    return signature_v1(value) if value.startswith("v=") else signature_legacy(value)


def signature_text(kid_, iat, parts, sig):
    sig64 = base64.urlsafe_b64encode(sig).decode().rstrip("=")
    return f"v=1;kid={kid_};iat={iat};c={','.join(parts)};sig={sig64}"


# ---- addresses of record -------------------------------------------------------------------------

UNRESERVED = ALNUM + "-_.!~*'()"
USER_UNRESERVED = "&=+$,;?/"
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")


def addr_spec(text):
    text = trim(text)
    if not text:
        raise Bad("empty")
    if len(text) > 1024:
        raise Bad("too-long")
    match = re.match(rb'"((?:[^"\\\r\n]|\\[\x00-\xff])*)"', text)
    if text.startswith(b'"') and not match:
        raise Bad("brackets")
    rest = trim(text[match.end():]) if match else text
    if b"<" not in rest:
        if match:
            raise Bad("brackets")
        return text
    name, _, rest = rest.partition(b"<")
    if (match and name) or not re.fullmatch(rb"[A-Za-z0-9 \t.!%*_+`'~-]*", name):
        raise Bad("brackets")
    uri, closed, tail = rest.partition(b">")
    tail = trim(tail)
    if not closed or (tail and not tail.startswith(b";")):
        raise Bad("brackets")
    return uri


def aor_user(user):
    if not user:
        raise Bad("no-user")
    out, i = "", 0
    while i < len(user):
        char = user[i]
        if char in UNRESERVED + USER_UNRESERVED:
            out, i = out + char, i + 1
        elif char == "%":
            digits = user[i + 1:i + 3]
            if not re.fullmatch(r"[0-9A-Fa-f]{2}", digits):
                raise Bad("escape")
            plain = chr(int(digits, 16))
            out, i = out + (plain if plain in UNRESERVED else "%" + digits.upper()), i + 3
        else:
            raise Bad("user")
        if len(out) > 252:
            raise Bad("too-long")
    return out


def aor_host(tail):
    if tail.startswith("["):
        address, closed, rest = tail[1:].partition("]")
        if not closed or "%" in address:
            raise Bad("host")
        try:
            ip = ipaddress.IPv6Address(address)
        except ValueError:
            raise Bad("host") from None
        # RFC 5952 section 5: mapped addresses keep their dotted tail.
        host = f"[::ffff:{ip.ipv4_mapped}]" if ip.ipv4_mapped else f"[{ip.compressed}]"
    else:
        host, rest = re.fullmatch(r"([^:;?]*)(.*)", tail, re.S).groups()
        labels = host.removesuffix(".").split(".")
        if labels[-1][:1].isdigit():
            try:
                ipaddress.IPv4Address(host)
            except ValueError:
                raise Bad("host") from None
        elif not all(LABEL.fullmatch(label) for label in labels):
            raise Bad("host")
        host = host.lower()
    return host, rest


def aor(text):
    uri = addr_spec(text)
    if not all(0x21 <= b <= 0x7E and b not in b'<>"' for b in uri):
        raise Bad("bad-byte")
    match = re.fullmatch(r"sips?:(.*)", uri.decode("ascii"), re.I | re.S)
    if not match:
        raise Bad("scheme")
    user, at, tail = match.group(1).partition("@")
    if not at:
        raise Bad("no-user")
    if "@" in tail:
        raise Bad("user")
    user = aor_user(user)
    host, rest = aor_host(tail)
    out = f"sip:{user}@{host}"
    if len(out) > 256:
        raise Bad("too-long")
    if rest and rest[0] == ":":
        port = re.match(r":([^;?]*)", rest).group(1)
        if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
            raise Bad("port")
    elif rest and rest[0] not in ";?":
        raise Bad("host")
    return out


# ---- signed bytes --------------------------------------------------------------------------------


def canonical_bytes(call):
    lines = [
        "if-escalate-v1",
        call["kid"],
        str(call["iat"]),
        call["trace_id"],
        call["hazard"],
        call["caller"],
        call["callee"],
    ]
    for part in call["covered"][1:]:
        if part == "cid":
            if not re.fullmatch(r"[!-~]{1,512}", call["call_id"]):
                raise Bad("call-id")
            lines.append(call["call_id"])
        else:
            lines.append(hashlib.sha256(call["body"].encode()).hexdigest())
    return "".join(line + "\n" for line in lines).encode()


P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
SQRT_M1 = pow(2, (P - 1) // 4, P)


def small_order_y():
    """y coordinates of the eight points whose order divides the cofactor: 1, -1, 0 and two more."""
    d = -121665 * pow(121666, -1, P) % P
    # Points of order 8 satisfy d*y^4 + 2*y^2 - 1 = 0 up to sign; solve for y^2 and take roots.
    ys = {1, P - 1, 0}
    disc = pow_root(4 + 4 * d)
    for sign in (1, -1):
        y2 = (-2 + sign * disc) * pow(2 * d, -1, P) % P
        y = pow_root(y2)
        if y is not None:
            ys |= {y, P - y}
    return ys


def pow_root(a):
    a %= P
    root = pow(a, (P + 3) // 8, P)
    for candidate in (root, root * SQRT_M1 % P):
        if candidate * candidate % P == a:
            return candidate
    return None


SMALL_ORDER_Y = small_order_y()


def decode_point(raw):
    """Returns y, or raises Bad("point") for a non-canonical encoding and Bad("weak") for a point of
    small order.
    """
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= P:
        raise Bad("point")
    if y in SMALL_ORDER_Y:
        raise Bad("weak")
    d = -121665 * pow(121666, -1, P) % P
    if pow_root((y * y - 1) * pow(d * y * y + 1, -1, P)) is None:
        raise Bad("point")
    return y


def public_key(text):
    if not text.startswith("ed25519:"):
        raise Bad("prefix")
    raw = b64_exact(text.removeprefix("ed25519:"), 32, urlsafe=False, padded=True)
    decode_point(raw)
    return raw


def private_key(data):
    match = re.fullmatch(rb"IFE-PRIVATE-KEY-1 ([^ ]*) ([^ ]*?)\n?", data, re.S)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("private-format") from None
    if not match:
        raise Bad("private-format")
    name, seed = match.group(1), match.group(2)
    try:
        seed = b64_exact(seed.decode(), 32, urlsafe=False, padded=True)
    except UnicodeError:
        raise Bad("encoding") from None
    if not re.fullmatch(rb"[!-~]{1,128}", name):
        raise Bad("name")
    return name.decode(), seed


def verify_strict(key, message, sig):
    """RFC 8032 section 5.1.7 without the cofactor, and no point of small order."""
    decode_point(key)
    try:
        decode_point(sig[:32])
        if int.from_bytes(sig[32:], "little") >= L:
            raise Bad("signature")
        Ed25519PublicKey.from_public_bytes(key).verify(sig, message)
    except (InvalidSignature, Bad):
        raise Bad("signature") from None


class Key:
    """A signing key from a seed."""

    def __init__(self, name, seed):
        self.name, self.seed = name, seed
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_text = "ed25519:" + base64.b64encode(self.public).decode()

    def sign(self, message):
        return self.key.sign(message)


# ---- JSON ----------------------------------------------------------------------------------------


def no_duplicates(pairs):
    seen = dict(pairs)
    if len(seen) != len(pairs):
        raise Bad("json")
    return seen


def strict_int(text):
    value = int(text)
    if abs(value) > 2**53 - 1:
        raise Bad("json")
    return value


def strict_float(text):
    value = float(text)
    if value in (float("inf"), float("-inf")) or (value == int(value) and abs(value) > 2**53 - 1):
        raise Bad("json")
    return value


def refuse_constant(_):
    raise Bad("json")


def parse_json(text):
    try:
        value = json.loads(
            text.encode("utf-8").decode("utf-8"),
            object_pairs_hook=no_duplicates,
            parse_int=strict_int,
            parse_float=strict_float,
            parse_constant=refuse_constant,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # lone surrogates
    except ValueError:
        raise Bad("json") from None
    return value


def es_number(value):
    """Number::toString of ECMAScript (RFC 8785 section 3.2.2.3)."""
    if value == 0:
        return "0"
    sign, value = ("-", -value) if value < 0 else ("", value)
    mantissa, _, exponent = repr(float(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    k = len(digits)
    if k <= point <= 21:
        text = digits + "0" * (point - k)
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        e = point - 1
        text = (
            digits[0]
            + ("." + digits[1:] if k > 1 else "")
            + "e"
            + ("+" if e > 0 else "-")
            + str(abs(e))
        )
    return sign + text


def jcs(value):
    """RFC 8785."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return es_number(value)
    if isinstance(value, str):
        # Python escapes exactly what ECMAScript does, save that it leaves DEL alone as well.
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ",".join(map(jcs, value)) + "]"
    keys = sorted(
        value,
        key=lambda key: struct.unpack(
            f">{len(key.encode('utf-16-be')) // 2}H", key.encode("utf-16-be")
        ),
    )
    return "{" + ",".join(jcs(key) + ":" + jcs(value[key]) for key in keys) + "}"


# ---- IFMessage -----------------------------------------------------------------------------------

RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.A,
)
STRINGS = (
    "id",
    "source",
    "destination",
    "traceId",
    "trace_id",
    "version",
    "performative",
    "conversation_id",
)


def is_name(text):
    return 1 <= len(text.encode()) <= 256 and not re.search(r"[\x00-\x1f\x7f-\x9f]", text)


def is_timestamp(text):
    match = RFC3339.fullmatch(text)
    if not match or len(text) > 40:
        return False
    year, month, day, hour, minute, second = map(int, match.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return (
        1 <= month <= 12
        and 1 <= day <= days[month - 1]
        and hour < 24
        and minute < 60
        and second <= 60
    )


def is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def message_signature(value):
    if isinstance(value, str) and value.startswith("ed25519:"):
        return bytes.fromhex(signature_legacy(value)["sig_hex"])
    if (
        not isinstance(value, dict)
        or value.get("alg") != "ed25519"
        or not set(value) <= {"alg", "kid", "sig"}
    ):
        raise Bad("shape")
    if "kid" in value:
        kid(value["kid"].encode())
    return b64_exact(value["sig"], 64, urlsafe=True, padded=False)


def if_message(text):
    """Returns the value and the bytes that its signature covers."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise Bad("shape")
    optional = (
        "traceId",
        "trace_id",
        "version",
        "performative",
        "conversation_id",
        "sequence_num",
        "citation_ids",
        "signature",
    )
    if any(name in value and value[name] is None for name in optional):
        raise Bad("member")
    if any(
        name not in value
        for name in ("id", "timestamp", "level", "source", "destination", "payload")
    ):
        raise Bad("shape")
    if any(name in value and not isinstance(value[name], str) for name in STRINGS + ("timestamp",)):
        raise Bad("shape")
    if "traceId" in value and "trace_id" in value:
        raise Bad("shape")
    if (
        not is_int(value["level"])
        or not 0 <= value["level"] < 2**32
        or not isinstance(value["payload"], dict)
    ):
        raise Bad("shape")
    if "sequence_num" in value and (not is_int(value["sequence_num"]) or value["sequence_num"] < 0):
        raise Bad("shape")
    citations = value.get("citation_ids", [])
    if not isinstance(citations, list) or not all(isinstance(c, str) for c in citations):
        raise Bad("shape")
    if "signature" in value:
        try:
            message_signature(value["signature"])
        except (Bad, KeyError, AttributeError, TypeError):
            raise Bad("shape") from None
    if not all(is_name(value[name]) for name in STRINGS if name in value) or value["level"] < 1:
        raise Bad("member")
    if (
        not is_timestamp(value["timestamp"])
        or len(citations) > 256
        or not all(map(is_name, citations))
    ):
        raise Bad("member")
    return value, jcs({k: v for k, v in value.items() if k != "signature"}).encode()


def is_shown(text, length_max):
    """Whether a person sees the text as it is, in one line."""
    hidden = r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]"
    return (
        isinstance(text, str)
        and 1 <= len(text.encode()) <= length_max
        and text.strip() == text
        and not re.search(hidden, text)
    )


def escalation(value):
    """The request of a message with performative escalate."""
    payload = value["payload"]
    given = [
        place[name] for place in (payload, value) for name in ("hazards", "hazard") if name in place
    ]
    if value.get("performative") != "escalate" or len(given) != 1:
        raise Bad("member")
    trace = value.get("traceId", value.get("trace_id", value["id"]))
    hazards = given[0]
    hazards = [hazards] if isinstance(hazards, str) else hazards
    files = payload.get("evidence_files", [])
    files = [files] if isinstance(files, str) else files
    if (
        not isinstance(hazards, list)
        or not isinstance(files, list)
        or not all(isinstance(x, str) for x in hazards + files)
    ):
        raise Bad("member")
    if not 1 <= len(hazards) <= 16 or not all(
        re.fullmatch(r"[a-z0-9_-]{1,32}", h) for h in hazards
    ):
        raise Bad("member")
    if len(files) > 64 or not all(
        1 <= len(f.encode()) <= 2048 and not re.search(r"[\x00-\x1f\x7f-\x9f]", f) for f in files
    ):
        raise Bad("member")
    for name in ("conversation_id", "expert_id", "signature"):
        if name in payload and not (isinstance(payload[name], str) and is_name(payload[name])):
            raise Bad("member")
    if not re.fullmatch(r"[A-Za-z0-9._:-]{8,128}", trace):
        raise Bad("member")
    options = payload.get("options")
    for name, length_max in (("reason", 320), ("question", 1024)):
        if name in payload and not is_shown(payload[name], length_max):
            raise Bad("member")
    if options is not None and not (
        isinstance(options, list)
        and 2 <= len(options) <= 9
        and "question" in payload
        and all(is_shown(option, 64) for option in options)
        and len(set(options)) == len(options)
    ):
        raise Bad("member")
    return {
        "trace_id": trace,
        "hazards": list(dict.fromkeys(hazards)),
        "evidence_files": files,
        "conversation_id": payload.get("conversation_id", value.get("conversation_id")),
        "expert_id": payload.get("expert_id"),
        "signature": payload.get("signature"),
        "reason": payload.get("reason"),
        "question": payload.get("question"),
        "options": options or [],
        "call_id": "sip-call-" + hashlib.sha256(trace.encode()).hexdigest()[:16],
    }
