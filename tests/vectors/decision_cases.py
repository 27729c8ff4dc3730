"""Decisions: the rules (docs/decision.md) and their cases. Used by generate.py."""

import base64
import hashlib
import json
import re

import ife_rules as rules

REQUIRED = {
    "v",
    "call_id",
    "trace_id",
    "council",
    "role",
    "party",
    "choice",
    "time",
    "assurance",
    "kid",
    "signature",
}
OPTIONAL = {"question_sha256", "text", "text_sha256", "public_key"}
SHA256 = re.compile(r"[0-9a-f]{64}")
HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
ATTESTATION = "if-decision-attestation-v1"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed_bytes(value):
    return rules.jcs({k: v for k, v in value.items() if k not in ("text", "signature")}).encode()


def require(condition, code):
    if not condition:
        raise rules.Bad(code)


def is_token(pattern, text):
    return re.fullmatch(pattern, text) is not None


def is_b64(text, length_max=None):
    return (
        is_token(r"[A-Za-z0-9_-]*", text)
        and len(text) % 4 != 1
        and (length_max is None or len(text) <= length_max)
    )


def decision(text):
    """Returns the value and the bytes that its signature covers, or raises Bad(member)."""
    require(len(text.encode()) <= 16384, "json")
    value = rules.parse_json(text)
    require(
        isinstance(value, dict) and REQUIRED - {"signature"} <= set(value) <= REQUIRED | OPTIONAL,
        "shape",
    )
    value = {k: v for k, v in value.items() if v is not None}
    require(all(isinstance(v, str) for k, v in value.items() if k != "signature"), "shape")
    require(
        value["role"] in ("expert", "guardian")
        and value["assurance"] in ("passkey", "key", "link", "phone"),
        "shape",
    )
    if "signature" in value:
        proof = value["signature"]
        members = {
            "ed25519": {"alg", "sig"},
            "webauthn": {"alg", "authenticator_data", "client_data", "sig"},
        }
        require(isinstance(proof, dict) and set(proof) == members.get(proof.get("alg")), "shape")
        require(all(isinstance(v, str) for v in proof.values()), "shape")
    require(value["v"] == "if-decision-v1", "v")
    for name in ("call_id", "council", "party"):
        require(rules.is_name(value[name]), name)
    require(is_token(r"[A-Za-z0-9._:-]{8,128}", value["trace_id"]), "trace_id")
    require(
        1 <= len(value["choice"].encode()) <= 64
        and not re.search(r"[\x00-\x1f\x7f-\x9f]", value["choice"]),
        "choice",
    )
    require(SHA256.fullmatch(value.get("question_sha256", "0" * 64)), "question_sha256")
    if "text" in value:
        require(
            1 <= len(value["text"].encode()) <= 4096 and not HIDDEN.search(value["text"]), "text"
        )
        require(value.get("text_sha256") == sha256(value["text"]), "text_sha256")
    require(SHA256.fullmatch(value.get("text_sha256", "0" * 64)), "text_sha256")
    require(rules.is_timestamp(value["time"]) and value["time"] >= "1970", "time")
    signer(value)
    require("signature" in value, "signature")
    return value, signed_bytes(value)


def signer(value):
    assurance = value["assurance"]
    require(value["role"] == "expert" or assurance == "key", "assurance")
    if assurance == "passkey":
        require(value["kid"] and is_b64(value["kid"], 1364), "kid")
    elif value["role"] == "guardian":
        require(rules.is_name(value["kid"]), "kid")
    else:
        require(is_token(r"[A-Za-z0-9._-]{1,64}", value["kid"]), "kid")
    require(("public_key" in value) == (assurance == "link"), "public_key")
    if assurance == "link":
        try:
            rules.public_key(value["public_key"])
        except rules.Bad:
            raise rules.Bad("public_key") from None
    proof = value.get("signature")
    if proof is None:
        return
    require((proof["alg"] == "webauthn") == (assurance == "passkey"), "signature")
    if assurance == "passkey":
        require(all(is_b64(v, 4096) for k, v in proof.items() if k != "alg"), "signature")
    else:
        require(is_b64(proof["sig"]) and len(proof["sig"]) == 86, "signature")


QUESTION = "May valve 1 stay open?"
USUAL = {
    "v": "if-decision-v1",
    "call_id": "sip-call-52fa7bc7a2bb55ce",
    "trace_id": "a2f9c3b8d1e5",
    "council": "sip:council@guard.example",
    "role": "expert",
    "party": "expert-safety@external.advisor",
    "choice": "until noon",
    "question_sha256": sha256(QUESTION),
    "text": "Only with a person at the valve.\nCall me at noon. <b>\u4e2d</b>",
    "text_sha256": sha256("Only with a person at the valve.\nCall me at noon. <b>\u4e2d</b>"),
    "time": "2026-01-01T00:00:00.123Z",
    "assurance": "key",
    "kid": "expert-safety-1",
}
ZERO = {"alg": "ed25519", "sig": b64(bytes(64))}
ASSERTION = {
    "alg": "webauthn",
    "authenticator_data": b64(bytes(37)),
    "client_data": b64(b"{}"),
    "sig": b64(bytes(70)),
}


def without(*names):
    return {k: v for k, v in USUAL.items() if k not in names}


def text(words):
    return {**USUAL, "text": words, "text_sha256": sha256(words)}


def valid(council, expert):
    page = {**USUAL, "assurance": "link", "kid": "page", "public_key": expert.public_text}
    return [
        ("usual", USUAL, expert),
        (
            "without question and text",
            {**without("question_sha256", "text", "text_sha256"), "choice": "approve"},
            expert,
        ),
        ("the text left out", without("text"), expert),
        ("the longest text", text("\u4e2d" * 1365 + "x"), expert),
        ("by a page", page, expert),
        ("by phone", {**USUAL, "assurance": "phone", "kid": council.name}, council),
        (
            "by a guardian",
            {**USUAL, "role": "guardian", "party": "guardian-1", "kid": "guardian-1"},
            expert,
        ),
    ]


def invalid(expert):
    signed = {**USUAL, "signature": ZERO}
    return [
        ("not JSON", "{", "json"),
        ("repeated key", '{"v":"if-decision-v1","v":"if-decision-v1"}', "json"),
        ("longer than 16 KiB", json.dumps({**signed, "text": "x" * 17000}), "json"),
        ("array", "[]", "shape"),
        *[
            (f"no {name}", {k: v for k, v in signed.items() if k != name}, "shape")
            for name in sorted(REQUIRED - {"signature"})
        ],
        ("unsigned", USUAL, "signature"),
        ("unknown member", {**signed, "x": 1}, "shape"),
        ("another version", {**signed, "v": "if-decision-v2"}, "v"),
        ("empty call id", {**signed, "call_id": ""}, "call_id"),
        ("trace id too short", {**signed, "trace_id": "a"}, "trace_id"),
        ("control character in the party", {**signed, "party": "a\u0000"}, "party"),
        ("unknown role", {**signed, "role": "operator"}, "shape"),
        ("unknown assurance", {**signed, "assurance": "fax"}, "shape"),
        ("empty choice", {**signed, "choice": ""}, "choice"),
        ("choice too long", {**signed, "choice": "x" * 65}, "choice"),
        ("choice of two lines", {**signed, "choice": "a\nb"}, "choice"),
        (
            "hash of the question in upper case",
            {**signed, "question_sha256": "A" * 64},
            "question_sha256",
        ),
        ("empty text", {**signed, "text": "", "text_sha256": sha256("")}, "text"),
        ("text too long", {**text("x" * 4097), "signature": ZERO}, "text"),
        (
            "text that turns the direction of writing",
            {**text("a\u202eb"), "signature": ZERO},
            "text",
        ),
        ("escape sequence in the text", {**text("a\u001b[2J"), "signature": ZERO}, "text"),
        (
            "text without its hash",
            {k: v for k, v in signed.items() if k != "text_sha256"},
            "text_sha256",
        ),
        ("hash of another text", {**signed, "text_sha256": "0" * 64}, "text_sha256"),
        ("time without offset", {**signed, "time": "2026-01-01T00:00:00"}, "time"),
        ("a guardian by link", {**signed, "role": "guardian", "assurance": "link"}, "assurance"),
        ("kid with a space", {**signed, "kid": "a b"}, "kid"),
        (
            "passkey that is not base64url",
            {**signed, "assurance": "passkey", "kid": "a+b", "signature": ASSERTION},
            "kid",
        ),
        ("a key with assurance key", {**signed, "public_key": expert.public_text}, "public_key"),
        ("link without a key", {**signed, "assurance": "link", "kid": "page"}, "public_key"),
        (
            "link with a bad key",
            {**signed, "assurance": "link", "kid": "page", "public_key": "ed25519:AAAA"},
            "public_key",
        ),
        (
            "signature too short",
            {**signed, "signature": {"alg": "ed25519", "sig": "A" * 85}},
            "signature",
        ),
        (
            "signature of another algorithm",
            {**signed, "signature": {"alg": "rsa", "sig": "A" * 86}},
            "shape",
        ),
        ("assertion with assurance key", {**signed, "signature": ASSERTION}, "signature"),
        (
            "Ed25519 with assurance passkey",
            {**signed, "assurance": "passkey", "kid": "AAAA"},
            "signature",
        ),
    ]


def reason_of(function, *arguments):
    try:
        function(*arguments)
    except rules.Bad as bad:
        return bad.code
    return None


def verify(key, said):
    value, signed = decision(said)
    if value["signature"]["alg"] != "ed25519":
        raise rules.Bad("signature")
    rules.verify_strict(
        key.public,
        signed,
        rules.b64_exact(value["signature"]["sig"], 64, urlsafe=True, padded=False),
    )


def text_of(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=True)


def cases(council, expert):
    out = {
        "keys": {
            key.name: {"public_key": key.public_text, "seed_hex": key.seed.hex()}
            for key in (council, expert)
        },
        "valid": [],
        "invalid": [],
        "signatures": [],
        "attestations": [],
    }
    for name, value, key in valid(council, expert):
        signed = signed_bytes(value)
        said = text_of({**value, "signature": {"alg": "ed25519", "sig": b64(key.sign(signed))}})
        assert reason_of(verify, key, said) is None, (name, reason_of(verify, key, said))
        out["valid"].append(
            {
                "name": name,
                "text": said,
                "key": key.name,
                "signed_bytes": signed.decode(),
                "sha256": hashlib.sha256(signed).hexdigest(),
            }
        )
    for name, value, reason in invalid(expert):
        assert reason_of(decision, text_of(value)) == reason, (
            name,
            reason_of(decision, text_of(value)),
        )
        out["invalid"].append({"name": name, "text": text_of(value), "reason": reason})
    sig = {"alg": "ed25519", "sig": b64(expert.sign(signed_bytes(USUAL)))}
    for name, value in [
        ("another choice", {**USUAL, "choice": "yes"}),
        ("another call", {**USUAL, "call_id": "sip-call-0000000000000000"}),
        ("another party", {**USUAL, "party": "expert-ethics@external.advisor"}),
        ("a later time", {**USUAL, "time": "2026-01-01T00:00:01Z"}),
        ("another question", {**USUAL, "question_sha256": sha256("May valve 2 stay open?")}),
        ("another text", text("Never.")),
        ("a higher assurance", {**USUAL, "assurance": "phone"}),
    ]:
        said = text_of({**value, "signature": sig})
        assert reason_of(verify, expert, said) == "signature", name
        out["signatures"].append(
            {"name": name, "text": said, "key": expert.name, "reason": "signature"}
        )
    out["attestations"] = attestations(council, {**USUAL, "signature": sig})
    return out


def attestations(council, signed):
    attestation = {
        "v": ATTESTATION,
        "council": signed["council"],
        "assurance": "key",
        "received": "2026-01-01T00:00:01Z",
        "decision_sha256": hashlib.sha256(signed_bytes(signed)).hexdigest(),
        "kid": council.name,
    }
    attestation["sig"] = b64(council.sign(rules.jcs(attestation).encode()))
    out = []
    for name, decided, attested, reason in [
        ("usual", signed, attestation, None),
        ("of another decision", {**signed, "choice": "yes"}, attestation, "attestation"),
        ("of another assurance", signed, {**attestation, "assurance": "link"}, "attestation"),
        (
            "received at another time",
            signed,
            {**attestation, "received": "2026-01-01T00:00:02Z"},
            "signature",
        ),
    ]:
        out.append(
            {
                "name": name,
                "text": text_of({"decision": decided, "attestation": attested}),
                "key": council.name,
                **({"reason": reason} if reason else {}),
            }
        )
    return out
