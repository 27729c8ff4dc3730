"""Cases of IFMessage: JSON rules, canonical form, shape, signature, escalation. Used by
generate.py.
"""

import base64
import json

import ife_rules as rules

USUAL = {
    "id": "msg-0001",
    "timestamp": "2026-01-01T00:00:00Z",
    "level": 2,
    "source": "if://agent/guard/1",
    "destination": "if://agent/escalate",
    "traceId": "a2f9c3b8d1e5",
    "version": "1.0",
    "performative": "escalate",
    "conversation_id": "council-7",
    "sequence_num": 1,
    "citation_ids": ["if://citation/1"],
    "payload": {
        "hazards": ["safety"],
        "evidence_files": ["reports/a.pdf", "https://evidence.example/b"],
        "expert_id": "expert-safety@external.advisor",
    },
}
REQUIRED = ("id", "timestamp", "level", "source", "destination", "payload")
ESCAPES = (
    '{"id":"m","timestamp":"2026-01-01T00:00:00Z","level":1,"source":"s","destination":"d",'
    '"payload":{"text":"\\u20ac\\n\\u000f\\u007f\\"\\/\\ud83d\\ude02"}}'
)


def without(*names):
    return {k: v for k, v in USUAL.items() if k not in names}


def bare(payload):
    return {
        "id": "m",
        "timestamp": "2026-01-01T00:00:00Z",
        "level": 1,
        "source": "s",
        "destination": "d",
        "payload": payload,
    }


def payload(**changes):
    merged = {**USUAL["payload"], **changes}
    return {**USUAL, "payload": {k: v for k, v in merged.items() if v is not None}}


VALID = [
    ("usual escalation", USUAL),
    ("least", {k: USUAL[k] for k in REQUIRED}),
    ("trace_id in place of traceId", {**without("traceId"), "trace_id": "a2f9c3b8d1e5"}),
    ("members that this version does not know", {**USUAL, "x_later": {"b": [1, None], "a": True}}),
    (
        "timestamp with fraction and offset",
        {**USUAL, "timestamp": "2024-02-29t23:59:60.123456789+05:30"},
    ),
    (
        "keys in the order of UTF-16",
        bare({"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\u00f6": 7}),
    ),
    ("escapes", ESCAPES),
    (
        "numbers",
        bare(
            {
                "n": [
                    0,
                    -0.0,
                    1,
                    -1,
                    1.5,
                    1e15,
                    123456789012.25,
                    1e-6,
                    1e-7,
                    333333333.33333329,
                    4.5,
                    2e-3,
                    9007199254740991,
                    5e-324,
                ]
            }
        ),
    ),
    ("nested", bare({"a": {"c": {}, "b": []}})),
    ("another performative", {**USUAL, "performative": "inform"}),
]
# (name, message or text, reason, the JSON Schema's result: it cannot see everything)
INVALID = [
    ("not JSON", "{", "json", None),
    ("repeated key", '{"id":"a","id":"b"}', "json", None),
    (
        "repeated key, deep inside",
        json.dumps(bare({"a": 0})).replace('{"a": 0}', '{"a":{"b":1,"b":1}}'),
        "json",
        None,
    ),
    ("integer beyond 2^53 - 1", bare({"n": 9007199254740992}), "json", None),
    ("negative integer beyond -(2^53 - 1)", bare({"n": -9007199254740992}), "json", None),
    ("integer beyond 64 bits", bare({"n": 10**30}), "json", None),
    ("whole number beyond 2^53 - 1, written as a double", bare({"n": 1e21}), "json", None),
    (
        "number that overflows",
        json.dumps(bare({"n": 0})).replace('{"n": 0}', '{"n":1e999}'),
        "json",
        None,
    ),
    ("lone surrogate", ESCAPES.replace("\\u20ac", "\\ud800"), "json", None),
    ("text after the message", json.dumps(USUAL) + "x", "json", None),
    ("NaN", json.dumps(bare({"n": 0})).replace('{"n": 0}', '{"n":NaN}'), "json", None),
    ("array", "[]", "shape", False),
    *[(f"no {name}", without(name), "shape", False) for name in REQUIRED],
    ("level 0", {**USUAL, "level": 0}, "member", False),
    ("level as text", {**USUAL, "level": "2"}, "shape", False),
    ("negative sequence number", {**USUAL, "sequence_num": -1}, "shape", False),
    ("payload as text", {**USUAL, "payload": "safety"}, "shape", False),
    ("traceId and trace_id", {**USUAL, "trace_id": "a2f9c3b8d1e5"}, "shape", False),
    ("null in place of absence", {**USUAL, "version": None}, "member", False),
    ("empty id", {**USUAL, "id": ""}, "member", False),
    ("id too long", {**USUAL, "id": "i" * 257}, "member", False),
    ("control character in source", {**USUAL, "source": "a\u0000b"}, "member", False),
    ("citation is not text", {**USUAL, "citation_ids": [1]}, "shape", False),
    ("date that does not exist", {**USUAL, "timestamp": "2025-02-29T00:00:00Z"}, "member", None),
    ("timestamp without offset", {**USUAL, "timestamp": "2026-01-01T00:00:00"}, "member", False),
    ("timestamp with a space", {**USUAL, "timestamp": "2026-01-01 00:00:00Z"}, "member", False),
    ("timestamp as number", {**USUAL, "timestamp": 1767225600}, "shape", False),
    (
        "signature of another algorithm",
        {**USUAL, "signature": {"alg": "rsa", "sig": "A" * 86}},
        "shape",
        False,
    ),
    (
        "signature too short",
        {**USUAL, "signature": {"alg": "ed25519", "sig": "A" * 85}},
        "shape",
        False,
    ),
    (
        "signature with an unknown member",
        {**USUAL, "signature": {"alg": "ed25519", "sig": "A" * 86, "x": 1}},
        "shape",
        False,
    ),
]
# Beyond a schema of one message: it may be something else than an escalation, and which of
# two members is the trace id.
NOT_IN_SCHEMA = (
    "another performative",
    "no performative",
    "neither traceId nor id is a trace id",
    "reason too long in bytes",
)
ESCALATIONS = [
    ("usual", USUAL, None),
    ("a lone string", payload(hazards="ethics"), None),
    ("the key hazard", payload(hazards=None, hazard=["bias", "ethics"]), None),
    ("a hazard named twice counts once", payload(hazards=["safety", "ethics", "safety"]), None),
    ("no traceId: the id stands in", without("traceId"), None),
    ("conversation_id in the payload wins", payload(conversation_id="council-9"), None),
    ("no evidence", payload(evidence_files=None), None),
    ("hazards beside the payload", {**payload(hazards=None), "hazards": ["safety"]}, None),
    ("hazard beside the payload", {**payload(hazards=None), "hazard": "safety"}, None),
    (
        "a reason",
        payload(reason='Valve 1 opens by itself; "why"? $(date) \\ <b>\u00e9\u4e2d'),
        None,
    ),
    (
        "a question with options",
        payload(reason="r", question="May valve 1 stay open?", options=["yes", "no", "until noon"]),
        None,
    ),
    (
        "the longest texts",
        payload(reason="r" * 320, question="q" * 1024, options=[f"{i}" * 64 for i in range(1, 10)]),
        None,
    ),
    ("hazards in the payload and beside it", {**USUAL, "hazards": ["safety"]}, "member"),
    ("reason too long", payload(reason="r" * 321), "member"),
    ("reason too long in bytes", payload(reason="\u4e2d" * 107), "member"),
    ("empty reason", payload(reason=""), "member"),
    ("reason of white space", payload(reason=" "), "member"),
    ("reason that is not text", payload(reason=["r"]), "member"),
    ("line break in the reason", payload(reason="a\nb"), "member"),
    ("line separator in the reason", payload(reason="a\u2028b"), "member"),
    ("reason that turns the direction of writing", payload(reason="a\u202eb"), "member"),
    ("question too long", payload(question="q" * 1025), "member"),
    ("options without a question", payload(options=["yes", "no"]), "member"),
    ("one option", payload(question="q", options=["yes"]), "member"),
    ("no option", payload(question="q", options=[]), "member"),
    ("ten options", payload(question="q", options=[str(i) for i in range(10)]), "member"),
    ("an option twice", payload(question="q", options=["yes", "yes"]), "member"),
    ("an option too long", payload(question="q", options=["yes", "n" * 65]), "member"),
    ("an option that is not text", payload(question="q", options=["yes", 1]), "member"),
    ("options as text", payload(question="q", options="yes"), "member"),
    ("another performative", {**USUAL, "performative": "inform"}, "member"),
    ("no performative", without("performative"), "member"),
    ("no hazards", payload(hazards=None), "member"),
    ("empty list of hazards", payload(hazards=[]), "member"),
    ("17 hazards", payload(hazards=[f"h{i}" for i in range(17)]), "member"),
    ("hazards and hazard", payload(hazard="safety"), "member"),
    ("hazard in upper case", payload(hazards=["Safety"]), "member"),
    ("white space is not forgiven in JSON", payload(hazards=[" safety"]), "member"),
    ("hazard that is not text", payload(hazards=[1]), "member"),
    ("evidence that is not text", payload(evidence_files=[{}]), "member"),
    ("65 evidence files", payload(evidence_files=["x"] * 65), "member"),
    ("control character in a path", payload(evidence_files=["a\nb"]), "member"),
    ("expert_id that is not text", payload(expert_id=7), "member"),
    ("neither traceId nor id is a trace id", {**without("traceId"), "id": "short"}, "member"),
]


def text_of(message):
    return message if isinstance(message, str) else json.dumps(message, ensure_ascii=True)


def reason_of(function, *arguments):
    try:
        function(*arguments)
    except rules.Bad as bad:
        return bad.code
    return None


def cases(council, expert):
    out = {"public_key": council.public_text, "seed_hex": council.seed.hex(), "kid": council.name,
           "valid": [], "invalid": [], "signatures": [], "escalations": []}
    for name, message in VALID:
        text = text_of(message)
        value, signed = rules.if_message(text)
        out["valid"].append(
            {
                "name": name,
                "text": text,
                "signed_bytes": signed.decode(),
                "sig_hex": council.sign(signed).hex(),
            }
        )
    for name, message, reason, schema in INVALID:
        text = text_of(message)
        assert reason_of(rules.if_message, text) == reason, (
            name,
            reason_of(rules.if_message, text),
        )
        case = {"name": name, "text": text, "reason": reason}
        out["invalid"].append(case if schema is None else {**case, "schema": schema})
    out["signatures"] = signatures(council, expert)
    for name, message, reason in ESCALATIONS:
        text = text_of(message)
        value, _ = rules.if_message(text)
        got = reason_of(rules.escalation, value)
        assert got == reason, (name, got)
        outcome = (
            {"reason": reason, "schema": name in NOT_IN_SCHEMA}
            if reason
            else {"value": rules.escalation(value), "schema": True}
        )
        out["escalations"].append({"name": name, "text": text, **outcome})
    return out


def signatures(council, expert):
    """(text, verifies with the council's key or the reason why not)."""
    _, signed = rules.if_message(text_of(USUAL))
    b64 = base64.urlsafe_b64encode(council.sign(signed)).decode().rstrip("=")
    other = base64.urlsafe_b64encode(expert.sign(signed)).decode().rstrip("=")
    out = []
    for name, message, reason in [
        (
            "object with kid",
            {**USUAL, "signature": {"alg": "ed25519", "kid": council.name, "sig": b64}},
            None,
        ),
        ("object without kid", {**USUAL, "signature": {"alg": "ed25519", "sig": b64}}, None),
        ("text", {**USUAL, "signature": "ed25519:" + council.sign(signed).hex()}, None),
        (
            "another order of members",
            dict(reversed({**USUAL, "signature": {"sig": b64, "alg": "ed25519"}}.items())),
            None,
        ),
        ("unsigned", USUAL, "unsigned"),
        (
            "payload changed",
            {**payload(hazards=["ethics"]), "signature": {"alg": "ed25519", "sig": b64}},
            "signature",
        ),
        (
            "a member added",
            {**USUAL, "x": 1, "signature": {"alg": "ed25519", "sig": b64}},
            "signature",
        ),
        (
            "traceId renamed",
            {
                **without("traceId"),
                "trace_id": "a2f9c3b8d1e5",
                "signature": {"alg": "ed25519", "sig": b64},
            },
            "signature",
        ),
        (
            "by another key",
            {**USUAL, "signature": {"alg": "ed25519", "kid": council.name, "sig": other}},
            "signature",
        ),
    ]:
        text = text_of(message)
        assert reason_of(verify, council, text) == reason, name
        out.append({"name": name, "text": text, **({"reason": reason} if reason else {})})
    return out


def verify(key, text):
    value, signed = rules.if_message(text)
    if "signature" not in value:
        raise rules.Bad("unsigned")
    rules.verify_strict(key.public, signed, rules.message_signature(value["signature"]))
