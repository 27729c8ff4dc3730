#!/usr/bin/python3
"""Writes the published test vectors of IF.ESCALATE's wire formats.

Usage: generate.py [DIRECTORY]        (default: the directory of this file)

Deterministic: the same script gives the same files. Each case has its expected result; the rules in
ife_rules.py must agree or
nothing is written. Needs Python 3.11 and python3-cryptography.
"""

import base64
import hashlib
import json
import pathlib
import sys

import ife_rules as rules


def seed(name):
    return hashlib.sha256(b"ife test vector key: " + name.encode()).digest()


COUNCIL = rules.Key("council-2026a", seed("council"))
EXPERT = rules.Key("expert-safety-1", seed("expert"))
SIG = base64.urlsafe_b64encode(bytes(range(64))).decode().rstrip("=")
SIG_STD = base64.b64encode(bytes(range(64))).decode()
HEX = bytes(range(64)).hex()
V1 = f"v=1;kid=council-2026a;iat=1767225600;c=base,cid,sdp;sig={SIG}"


def given(data):
    """Bytes as `input` where they are printable ASCII, else as `input_hex`; long runs of one
    character as `repeat` and `times`.
    """
    data = data if isinstance(data, bytes) else data.encode()
    if len(data) > 1024 and len(set(data)) == 1:
        return {"repeat": chr(data[0]), "times": len(data)}
    if all(0x20 <= byte <= 0x7E for byte in data):
        return {"input": data.decode()}
    return {"input_hex": data.hex()}


def parser_cases(parse, valid, invalid):
    """valid: (name, input, value); invalid: (name, input, reason)."""
    out = {"valid": [], "invalid": []}
    for name, data, value in valid:
        raw = data if isinstance(data, bytes) else data.encode()
        assert parse(raw) == value, (name, parse(raw), value)
        out["valid"].append({"name": name, **given(data), "value": value})
    for name, data, reason in invalid:
        raw = data if isinstance(data, bytes) else data.encode()
        try:
            got = parse(raw)
        except rules.Bad as bad:
            got = bad.code
        assert got == reason, (name, got, reason)
        out["invalid"].append({"name": name, **given(data), "reason": reason})
    return out


def headers():
    uuid = "0b8f9a3e-5f0c-4a57-9d1b-6f3a2c1d4e5f"
    v1 = {
        "form": "v1",
        "kid": "council-2026a",
        "iat": 1767225600,
        "covered": ["base", "cid", "sdp"],
        "sig_hex": HEX,
    }
    legacy = {"form": "legacy", "sig_hex": HEX}
    return {
        "trace_id": parser_cases(
            rules.trace_id,
            [
                ("uuid", uuid, uuid),
                ("shortest", "a2f9c3b8", "a2f9c3b8"),
                ("longest", "a" * 128, "a" * 128),
                ("every kind of character", "Ab0._:-z", "Ab0._:-z"),
                (
                    "spaces and tabs around it are not part of it",
                    " \t a2f9c3b8d1e5\t ",
                    "a2f9c3b8d1e5",
                ),
            ],
            [
                ("empty", "", "empty"),
                ("only white space", " \t ", "empty"),
                ("seven characters", "a2f9c3b", "too-short"),
                ("129 characters", "a" * 129, "too-long"),
                ("64 KiB", "a" * 65536, "too-long"),
                ("space inside", "a2f9 c3b8", "bad-byte"),
                ("comma: two values in one line", "a2f9c3b8,a2f9c3b9", "bad-byte"),
                ("folded", b"a2f9c3b8\r\n d1e5", "line-break"),
                ("folded at the start", b"\r\n a2f9c3b8d1e5", "line-break"),
                ("bare LF", b"a2f9c3b8\nX-Evil: 1", "line-break"),
                ("NUL", b"a2f9c3b8\x00", "bad-byte"),
                ("not UTF-8", b"a2f9c3b8\xff\xfe", "bad-byte"),
                ("a letter beyond ASCII", "a2f9c3b\u00e9", "bad-byte"),
                ("no-break space is not white space", b"\xc2\xa0a2f9c3b8", "bad-byte"),
                ("escape sequence of a terminal", b"a2f9c3b8\x1b[2J", "bad-byte"),
            ],
        ),
        "hazard": parser_cases(
            rules.hazard,
            [
                ("usual", "safety", "safety"),
                ("one character", "x", "x"),
                ("longest", "h" * 32, "h" * 32),
                ("digits, underscore, hyphen", "bio_risk-2", "bio_risk-2"),
                ("white space around it", "\tethics ", "ethics"),
            ],
            [
                ("empty", "", "empty"),
                ("33 characters", "h" * 33, "too-long"),
                ("upper case", "Safety", "bad-byte"),
                ("two hazards", "safety,ethics", "bad-byte"),
                ("quoted", '"safety"', "bad-byte"),
                ("CR/LF", b"safety\r\n", "line-break"),
                ("not UTF-8", b"\xe9thics", "bad-byte"),
            ],
        ),
        "witness_hash": parser_cases(
            rules.witness_hash,
            [
                ("usual", "sha256:" + HEX[:64], "sha256:" + HEX[:64]),
            ],
            [
                ("empty", "", "empty"),
                ("no prefix", HEX[:64] + "0000000", "encoding"),
                ("upper-case digits", "sha256:" + HEX[:64].upper(), "encoding"),
                ("too few digits", "sha256:" + HEX[:62], "too-short"),
                ("too many digits", "sha256:" + HEX[:66], "too-long"),
                ("not hex", "sha256:" + "g" * 64, "encoding"),
            ],
        ),
        "signature": parser_cases(
            rules.signature,
            [
                ("usual", V1, v1),
                ("base only", V1.replace("base,cid,sdp", "base"), {**v1, "covered": ["base"]}),
                (
                    "the signer's order of parts is kept",
                    V1.replace("cid,sdp", "sdp,cid"),
                    {**v1, "covered": ["base", "sdp", "cid"]},
                ),
                ("longest kid", V1.replace("council-2026a", "k" * 64), {**v1, "kid": "k" * 64}),
                ("iat 0", V1.replace("1767225600", "0"), {**v1, "iat": 0}),
                ("latest iat", V1.replace("1767225600", "9" * 12), {**v1, "iat": 999999999999}),
                ("white space around it", "  " + V1 + "\t", v1),
                ("legacy: hex", HEX, legacy),
                ("legacy: upper-case hex", HEX.upper(), legacy),
                ("legacy: prefix and hex", "ed25519:" + HEX, legacy),
                ("legacy: prefix and base64", "ed25519:" + SIG_STD, legacy),
                (
                    "legacy: prefix and base64 without padding",
                    "ed25519:" + SIG_STD.rstrip("="),
                    legacy,
                ),
            ],
            [
                ("empty", "", "empty"),
                ("257 characters", V1 + "A" * (257 - len(V1)), "too-long"),
                ("64 KiB of semicolons", ";" * 65536, "too-long"),
                ("version 2", V1.replace("v=1", "v=2"), "version"),
                ("version only", "v=1", "version"),
                ("version 10", V1.replace("v=1", "v=10"), "version"),
                ("nothing after the version", "v=1;", "parameter"),
                ("kid missing", V1.replace("kid=council-2026a;", ""), "parameter"),
                ("kid twice", V1.replace("kid=", "kid=a;kid="), "parameter"),
                (
                    "another order",
                    f"v=1;iat=1767225600;kid=council-2026a;c=base;sig={SIG}",
                    "parameter",
                ),
                ("upper-case name", V1.replace("kid=", "KID="), "parameter"),
                ("unknown parameter", V1.replace(";sig=", ";alg=none;sig="), "parameter"),
                ("sig missing", V1.split(";sig=")[0], "parameter"),
                ("empty kid", V1.replace("council-2026a", ""), "empty"),
                ("kid of 65 characters", V1.replace("council-2026a", "k" * 65), "too-long"),
                ("kid with a path", V1.replace("council-2026a", "../../etc"), "bad-byte"),
                ("iat empty", V1.replace("1767225600", ""), "iat"),
                ("iat with a leading zero", V1.replace("1767225600", "01767225600"), "iat"),
                ("iat with a sign", V1.replace("1767225600", "+1767225600"), "iat"),
                ("iat negative", V1.replace("1767225600", "-1"), "iat"),
                ("iat with a fraction", V1.replace("1767225600", "1767225600.5"), "iat"),
                ("iat of 13 digits", V1.replace("1767225600", "1767225600000"), "iat"),
                ("iat hexadecimal", V1.replace("1767225600", "0x6955b900"), "iat"),
                ("c empty", V1.replace("base,cid,sdp", ""), "covered"),
                ("c without base", V1.replace("base,cid,sdp", "cid,sdp"), "covered"),
                ("c with base not first", V1.replace("base,cid,sdp", "cid,base"), "covered"),
                ("c with a part twice", V1.replace("base,cid,sdp", "base,cid,cid"), "covered"),
                ("c with base twice", V1.replace("base,cid,sdp", "base,base"), "covered"),
                ("c with an unknown part", V1.replace("base,cid,sdp", "base,from"), "covered"),
                ("c with a comma at the end", V1.replace("base,cid,sdp", "base,cid,"), "covered"),
                ("sig empty", V1.replace(SIG, ""), "encoding"),
                ("sig padded", V1 + "==", "encoding"),
                (
                    "sig in the standard alphabet",
                    V1.replace(SIG, base64.b64encode(b"\xff" * 64).decode().rstrip("=")),
                    "encoding",
                ),
                ("sig of 63 bytes", V1.replace(SIG, SIG[:84]), "encoding"),
                (
                    "sig of 65 bytes",
                    V1.replace(SIG, base64.urlsafe_b64encode(bytes(65)).decode().rstrip("=")),
                    "encoding",
                ),
                ("sig with stray bits at the end: a second spelling", V1[:-1] + "x", "encoding"),
                ("something after sig", V1 + ";x=1", "encoding"),
                ("space between parameters", V1.replace(";iat", "; iat"), "bad-byte"),
                (
                    "folded between parameters",
                    V1.replace(";iat", ";\r\n iat").encode(),
                    "line-break",
                ),
                ("not UTF-8", V1.encode().replace(b"council", b"counc\xeel"), "bad-byte"),
                ("legacy: 127 hex digits", HEX[:-1], "encoding"),
                ("legacy: base64 without prefix", SIG_STD, "encoding"),
                ("legacy: prefix alone", "ed25519:", "encoding"),
                (
                    "legacy: base64url",
                    "ed25519:" + base64.urlsafe_b64encode(b"\xff" * 64).decode(),
                    "encoding",
                ),
                ("legacy: one padding character", "ed25519:" + SIG_STD[:-1], "encoding"),
                ("legacy: another algorithm", "rsa:" + HEX, "encoding"),
                ("mock of the earlier tests", "mock-ed25519-signature", "encoding"),
            ],
        ),
    }


def aors():
    alice = "sip:alice@example.com"
    return parser_cases(
        rules.aor,
        [
            ("plain", alice, alice),
            ("scheme ignores case", "SIP:alice@example.com", alice),
            ("sips names the same person", "sips:alice@example.com", alice),
            ("host ignores case", "sip:alice@EXAMPLE.Com", alice),
            ("user does not", "sip:Alice@example.com", "sip:Alice@example.com"),
            (
                "port, parameters and headers are dropped",
                "sip:alice@example.com:5061;transport=tls;lr?subject=x",
                alice,
            ),
            ("port only", "sip:alice@example.com:65535", alice),
            ("headers only", "sip:alice@example.com?subject=x%20y", alice),
            ("white space around it", " sip:alice@example.com\t", alice),
            ("angle brackets", "<sip:alice@example.com>", alice),
            ("name-addr with tag", '"Alice" <sip:alice@example.com;user=phone>;tag=88sja8x', alice),
            ("name-addr with tokens", "Alice B. Carol <sip:alice@example.com> ;tag=1", alice),
            (
                "quoted name with brackets and escapes",
                r'"<sip:mallory@evil.example> \" \\" <sip:alice@example.com>',
                alice,
            ),
            ("quoted name in UTF-8", '"Ren\u00e9" <sip:alice@example.com>', alice),
            ("tag without brackets", "sip:alice@example.com;tag=1", alice),
            (
                "escaped unreserved characters are the characters",
                "sip:%61lice%2D%7e@example.com",
                "sip:alice-~@example.com",
            ),
            (
                "escaped reserved characters stay escaped",
                "sip:a%3bb%40c@example.com",
                "sip:a%3Bb%40c@example.com",
            ),
            (
                "a raw reserved character is another user",
                "sip:a;b@example.com",
                "sip:a;b@example.com",
            ),
            (
                "escapes of other bytes stay, in upper case",
                "sip:%c3%a9%0d%0a%00@example.com",
                "sip:%C3%A9%0D%0A%00@example.com",
            ),
            (
                "an escaped percent sign is not unescaped twice",
                "sip:%2561@example.com",
                "sip:%2561@example.com",
            ),
            (
                "every raw character of a user",
                "sip:aZ0-_.!~*'()&=+$,;?/@example.com",
                "sip:aZ0-_.!~*'()&=+$,;?/@example.com",
            ),
            (
                "telephone number",
                "sip:+358-555-1234567;postd=pp22@foo.com;user=phone",
                "sip:+358-555-1234567;postd=pp22@foo.com",
            ),
            ("IPv4", "sip:alice@192.0.2.7:5060", "sip:alice@192.0.2.7"),
            ("IPv6", "sip:alice@[2001:DB8:0:0:0:0:0:1]:5060;lr", "sip:alice@[2001:db8::1]"),
            (
                "IPv6 with an embedded IPv4 address",
                "sip:alice@[::ffff:192.0.2.7]",
                "sip:alice@[::ffff:192.0.2.7]",
            ),
            (
                "IPv6 mapped, in hex",
                "sip:alice@[0:0:0:0:0:FFFF:c000:0207]",
                "sip:alice@[::ffff:192.0.2.7]",
            ),
            ("IPv6 loopback", "sip:alice@[::1]", "sip:alice@[::1]"),
            (
                "IPv6 one zero group is not shortened",
                "sip:alice@[2001:db8:0:1:1:1:1:1]",
                "sip:alice@[2001:db8:0:1:1:1:1:1]",
            ),
            ("IPv6 low embedded IPv4", "sip:alice@[::192.0.2.7]", "sip:alice@[::c000:207]"),
            ("one-label host", "sip:alice@localhost", "sip:alice@localhost"),
            (
                "hyphens and digits in labels",
                "sip:alice@a-1.2b.xn--p1ai",
                "sip:alice@a-1.2b.xn--p1ai",
            ),
            ("a dot at the end is kept", "sip:alice@example.com.", "sip:alice@example.com."),
            ("longest", "sip:" + "a" * 240 + "@example.com", "sip:" + "a" * 240 + "@example.com"),
            (
                "escapes shorten",
                "sip:" + "%61" * 240 + "@example.com",
                "sip:" + "a" * 240 + "@example.com",
            ),
        ],
        [
            ("empty", "", "empty"),
            ("only white space", "  ", "empty"),
            ("too long to look at", "sip:a@example.com;" + "x" * 1024, "too-long"),
            ("too long when normalised", "sip:" + "a" * 241 + "@example.com", "too-long"),
            ("no scheme", "alice@example.com", "scheme"),
            ("tel", "tel:+358-555-1234567", "scheme"),
            ("scheme only", "sip:", "no-user"),
            ("space before the scheme in brackets", "< sip:alice@example.com>", "bad-byte"),
            ("host only", "sip:example.com", "no-user"),
            ("empty user", "sip:@example.com", "no-user"),
            ("password", "sip:alice:secret@example.com", "user"),
            ("two at signs", "sip:alice@evil.example@example.com", "user"),
            ("at sign in a parameter", "sip:alice@example.com;x=a@b", "user"),
            ("hash in the user", "sip:#31#@example.com", "user"),
            ("brackets in the user", "sip:[a]@example.com", "user"),
            ("backslash in the user", "sip:a\\b@example.com", "user"),
            ("space in the user", "sip:al ice@example.com", "bad-byte"),
            ("UTF-8 in the user", "sip:ren\u00e9@example.com", "bad-byte"),
            ("not UTF-8", b"sip:ren\xe9@example.com", "bad-byte"),
            ("NUL", b"sip:alice\x00@example.com", "bad-byte"),
            ("CR/LF", b"sip:alice@example.com\r\nX: y", "bad-byte"),
            ("quote in the user", 'sip:"alice"@example.com', "bad-byte"),
            ("escape cut short", "sip:alice%4@example.com", "escape"),
            ("escape that is not hex", "sip:%zz@example.com", "escape"),
            ("escape with a sign", "sip:%+1@example.com", "escape"),
            ("escape in the host", "sip:alice@ex%61mple.com", "host"),
            ("empty host", "sip:alice@", "host"),
            ("empty host and port", "sip:alice@:5060", "host"),
            ("empty label", "sip:alice@example..com", "host"),
            ("label begins with a hyphen", "sip:alice@-example.com", "host"),
            ("label ends with a hyphen", "sip:alice@example-.com", "host"),
            ("underscore in the host", "sip:alice@my_host.example", "host"),
            ("IPv4 out of range", "sip:alice@192.0.2.256", "host"),
            ("IPv4 with a leading zero", "sip:alice@192.0.2.07", "host"),
            ("IPv4 of three parts", "sip:alice@192.0.2", "host"),
            ("IPv4 with a dot at the end", "sip:alice@192.0.2.7.", "host"),
            ("a number as host", "sip:alice@3221225991", "host"),
            ("IPv6 without brackets", "sip:alice@2001:db8::1", "host"),
            ("IPv6 not closed", "sip:alice@[2001:db8::1", "host"),
            ("IPv6 with a zone", "sip:alice@[fe80::1%25eth0]", "host"),
            ("IPv6 malformed", "sip:alice@[2001:db8:::1]", "host"),
            ("text after IPv6", "sip:alice@[::1]x", "host"),
            ("port empty", "sip:alice@example.com:", "port"),
            ("port 0", "sip:alice@example.com:0", "port"),
            ("port 65536", "sip:alice@example.com:65536", "port"),
            ("port with a sign", "sip:alice@example.com:+5060", "port"),
            ("port of six digits", "sip:alice@example.com:005060", "port"),
            ("bracket not closed", "<sip:alice@example.com", "brackets"),
            ("quote not closed", '"Alice <sip:alice@example.com>', "brackets"),
            (
                "text after the brackets",
                "<sip:alice@example.com> <sip:bob@example.com>",
                "brackets",
            ),
            ("quoted name without brackets", '"Alice" sip:alice@example.com', "brackets"),
            ("text between name and brackets", '"Alice" x <sip:alice@example.com>', "brackets"),
            (
                "comma before the brackets: a list",
                "sip:bob@example.com, <sip:alice@example.com>",
                "brackets",
            ),
        ],
    )


def call(key, **changes):
    fields = {
        "kid": key.name,
        "iat": 1767225600,
        "trace_id": "0b8f9a3e-5f0c-4a57-9d1b-6f3a2c1d4e5f",
        "hazard": "safety",
        "caller": "sip:council@council.example",
        "callee": "sip:expert-safety@external.advisor",
        "covered": ["base", "cid", "sdp"],
        "call_id": "a84b4c76e66710@pc33.council.example",
        "body": "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=audio 4000 RTP/AVP 0\r\n",
    }
    return {**fields, **changes}


def signatures():
    """Signed calls, and calls on which a signature must not verify."""
    out = {"keys": [], "valid": [], "invalid": [], "unsignable": []}
    for key in (COUNCIL, EXPERT):
        out["keys"].append(
            {"kid": key.name, "seed_hex": key.seed.hex(), "public_key": key.public_text}
        )
    for name, key, changes in [
        ("everything covered", COUNCIL, {}),
        ("base only", COUNCIL, {"covered": ["base"]}),
        ("Call-ID only", COUNCIL, {"covered": ["base", "cid"]}),
        ("body before Call-ID", COUNCIL, {"covered": ["base", "sdp", "cid"]}),
        ("empty body", COUNCIL, {"body": ""}),
        (
            "expert to council",
            EXPERT,
            {
                "caller": "sip:expert-safety@external.advisor",
                "callee": "sip:council@council.example",
            },
        ),
        ("latest iat", COUNCIL, {"iat": 999999999999}),
        (
            "not covered, so the Call-ID may be anything",
            COUNCIL,
            {"covered": ["base"], "call_id": "a b"},
        ),
        ("IPv6 and escapes in the addresses", COUNCIL, {"callee": "sip:a%3Bb@[2001:db8::1]"}),
    ]:
        fields = call(key, **changes)
        message = rules.canonical_bytes(fields)
        sig = key.sign(message)
        rules.verify_strict(key.public, message, sig)
        header = rules.signature_text(key.name, fields["iat"], fields["covered"], sig)
        out["valid"].append(
            {"name": name, "call": fields, "signed_bytes": message.decode(), "header": header}
        )
    out["invalid"] = [altered_call(*case) for case in [
        ("trace id changed", {"trace_id": "0b8f9a3e-5f0c-4a57-9d1b-6f3a2c1d4e50"}),
        ("hazard changed", {"hazard": "ethics"}),
        ("caller changed", {"caller": "sip:mallory@council.example"}),
        ("callee changed", {"callee": "sip:expert-ethics@external.advisor"}),
        ("Call-ID changed", {"call_id": "other@pc33.council.example"}),
        ("body changed", {"body": "v=0\r\n"}),
        ("iat changed", {"iat": 1767225601}),
        ("kid changed", {"kid": "council-2026b"}),
        ("one part less covered", {"covered": ["base", "cid"]}),
        ("order of the parts changed", {"covered": ["base", "sdp", "cid"]}),
    ]] + forged_signatures()
    for name, changes, reason in [
        ("empty Call-ID", {"call_id": ""}, "call-id"),
        ("line break in the Call-ID", {"call_id": "a\nb"}, "call-id"),
        ("space in the Call-ID", {"call_id": "a b"}, "call-id"),
        ("Call-ID of 513 bytes", {"call_id": "c" * 513}, "call-id"),
    ]:
        fields = call(COUNCIL, **changes)
        try:
            rules.canonical_bytes(fields)
            raise AssertionError(name)
        except rules.Bad as bad:
            assert bad.code == reason, name
        out["unsignable"].append({"name": name, "call": fields, "reason": reason})
    return out


def altered_call(name, changes):
    """The signature of the usual call, shown with another call."""
    sig = COUNCIL.sign(rules.canonical_bytes(call(COUNCIL)))
    return refused(name, COUNCIL, call(COUNCIL, **changes), sig)


def refused(name, key, fields, sig):
    try:
        rules.verify_strict(key.public, rules.canonical_bytes(fields), sig)
        raise AssertionError(name)
    except rules.Bad as bad:
        assert bad.code == "signature", name
    return {
        "name": name,
        "call": fields,
        "public_key": key.public_text,
        "sig_hex": sig.hex(),
        "reason": "signature",
    }


def forged_signatures():
    """Signatures that a lax verifier takes."""
    fields = call(COUNCIL)
    message = rules.canonical_bytes(fields)
    sig = COUNCIL.sign(message)
    s = int.from_bytes(sig[32:], "little")
    # R is the neutral element and S = H(R, A, M) * a: the equation holds, for any message the owner
    # of a likes.
    digest = bytearray(hashlib.sha512(COUNCIL.seed).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    neutral = (1).to_bytes(32, "little")
    k = int.from_bytes(hashlib.sha512(neutral + COUNCIL.public + message).digest(), "little")
    s_neutral = k * int.from_bytes(digest, "little") % rules.L
    flipped = bytes([sig[0] ^ 1]) + sig[1:]
    return [
        refused("one bit of R flipped", COUNCIL, fields, flipped),
        refused(
            "one bit of S flipped", COUNCIL, fields, sig[:32] + bytes([sig[32] ^ 1]) + sig[33:]
        ),
        refused("all zero", COUNCIL, fields, bytes(64)),
        refused(
            "S + L: the same signature spelled twice",
            COUNCIL,
            fields,
            sig[:32] + (s + rules.L).to_bytes(32, "little"),
        ),
        refused("R of small order", COUNCIL, fields, neutral + s_neutral.to_bytes(32, "little")),
        refused("by another key", EXPERT, fields, sig),
    ]


def legacy():
    """hazard + expert id + trace id, nothing between them."""
    out = []
    for name, hazard, expert, trace in [
        ("usual", "safety", "expert-safety@external.advisor", "a2f9c3b8d1e5"),
        (
            "UUID",
            "ethics",
            "expert-ethics@external.advisor",
            "0b8f9a3e-5f0c-4a57-9d1b-6f3a2c1d4e5f",
        ),
    ]:
        message = (hazard + expert + trace).encode()
        sig = EXPERT.sign(message)
        out.append(
            {
                "name": name,
                "public_key": EXPERT.public_text,
                "hazard": hazard,
                "expert_id": expert,
                "trace_id": trace,
                "signed_bytes": message.decode(),
                "header": sig.hex(),
                "header_base64": "ed25519:" + base64.b64encode(sig).decode(),
            }
        )
    return {"valid": out}


def keys():
    def public(data):
        return rules.public_key(data.decode()).hex()

    def private(data):
        name, raw = rules.private_key(data)
        return {"name": name, "seed_hex": raw.hex()}

    def text(raw):
        return "ed25519:" + base64.b64encode(raw).decode()

    def little(y):
        return y.to_bytes(32, "little")

    no_point = next(y for y in range(2, 100) if not on_curve(y))
    seed64 = base64.b64encode(COUNCIL.seed).decode()
    return {
        "public": parser_cases(
            public,
            [
                ("council", COUNCIL.public_text, COUNCIL.public.hex()),
                ("expert", EXPERT.public_text, EXPERT.public.hex()),
            ],
            [
                ("empty", "", "prefix"),
                ("no prefix", COUNCIL.public_text.removeprefix("ed25519:"), "prefix"),
                ("another algorithm", COUNCIL.public_text.replace("ed25519", "x25519"), "prefix"),
                ("not padded", COUNCIL.public_text.rstrip("="), "encoding"),
                ("hex", "ed25519:" + COUNCIL.public.hex(), "encoding"),
                ("31 bytes", text(COUNCIL.public[:31]), "encoding"),
                ("33 bytes", text(COUNCIL.public + b"\0"), "encoding"),
                ("space at the end", COUNCIL.public_text + " ", "encoding"),
                ("not a point", text(little(no_point)), "point"),
                ("y not below the prime", text(little(rules.P + 3)), "point"),
                ("neutral element", text(little(1)), "weak"),
                ("order 2", text(little(rules.P - 1)), "weak"),
                ("order 4", text(little(0)), "weak"),
                ("order 8", text(little(max(rules.SMALL_ORDER_Y - {rules.P - 1}))), "weak"),
            ],
        ),
        "private": parser_cases(
            private,
            [
                (
                    "usual",
                    f"IFE-PRIVATE-KEY-1 council-2026a {seed64}\n",
                    {"name": "council-2026a", "seed_hex": COUNCIL.seed.hex()},
                ),
                (
                    "no line end",
                    f"IFE-PRIVATE-KEY-1 k {seed64}",
                    {"name": "k", "seed_hex": COUNCIL.seed.hex()},
                ),
                (
                    "name of a log",
                    f"IFE-PRIVATE-KEY-1 witness.example/log {seed64}\n",
                    {"name": "witness.example/log", "seed_hex": COUNCIL.seed.hex()},
                ),
            ],
            [
                ("empty", "", "private-format"),
                ("another magic", f"IFE-PRIVATE-KEY-2 k {seed64}\n", "private-format"),
                ("no name", f"IFE-PRIVATE-KEY-1 {seed64}\n", "private-format"),
                ("empty name", f"IFE-PRIVATE-KEY-1  {seed64}\n", "name"),
                ("a fourth field", f"IFE-PRIVATE-KEY-1 k {seed64} x\n", "private-format"),
                ("CR at the end", f"IFE-PRIVATE-KEY-1 k {seed64}\r\n".encode(), "encoding"),
                ("seed cut", f"IFE-PRIVATE-KEY-1 k {seed64[:-4]}\n", "encoding"),
                ("name too long", f"IFE-PRIVATE-KEY-1 {'k' * 129} {seed64}\n", "name"),
                (
                    "control character in the name",
                    f"IFE-PRIVATE-KEY-1 k\x07 {seed64}\n".encode(),
                    "name",
                ),
                ("not UTF-8", b"IFE-PRIVATE-KEY-1 \xff " + seed64.encode(), "private-format"),
            ],
        ),
    }


def on_curve(y):
    try:
        rules.decode_point(y.to_bytes(32, "little"))
        return True
    except rules.Bad:
        return False


def messages():
    from ifmessage_cases import cases
    return cases(COUNCIL, EXPERT)


def decisions():
    from decision_cases import cases
    return cases(COUNCIL, EXPERT)


def main():
    directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    files = {
        "headers": headers(),
        "aor": aors(),
        "signatures": signatures(),
        "legacy": legacy(),
        "keys": keys(),
        "ifmessage": messages(),
        "decision": decisions(),
    }
    for name, content in files.items():
        text = json.dumps(content, indent=1, ensure_ascii=True) + "\n"
        (directory / f"{name}.json").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
