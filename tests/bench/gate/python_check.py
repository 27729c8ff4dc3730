"""The peer in Python: the same checks as the gate, as an operator would write them in an
app_python3 hook.

Reads its registry (JSON: caller to public key, callee to hazards) from IFE_BENCH_REGISTRY and
appends one JSON
line per decision to IFE_BENCH_LOG. Only the compared gates are checked: headers, registry,
hazard,
signature, freshness, replay.
"""

import base64
import hashlib
import json
import os
import time

import KSR
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Check:
    def __init__(self):
        with open(os.environ["IFE_BENCH_REGISTRY"], encoding="utf-8") as file:
            registry = json.load(file)
        self.keys = {
            (caller, kid): Ed25519PublicKey.from_public_bytes(base64.b64decode(key))
            for caller, kid, key in registry["keys"]
        }
        self.hazards = {callee: set(names) for callee, names in registry["hazards"].items()}
        self.freshness_s = registry["freshness_s"]
        self.seen = {}
        self.log = open(os.environ["IFE_BENCH_LOG"], "a", encoding="utf-8")

    def child_init(self, rank):
        return 0

    def verdict(self, now):
        trace_id = KSR.pv.get("$hdr(X-IF-Trace-ID)")
        hazard = KSR.pv.get("$hdr(X-IF-Hazard)")
        header = KSR.pv.get("$hdr(X-IF-Signature)")
        if not trace_id or not hazard or not header:
            return 428
        caller = "sip:" + KSR.pv.get("$fU") + "@" + KSR.pv.get("$fd").lower()
        callee = "sip:" + KSR.pv.get("$rU") + "@" + KSR.pv.get("$rd").lower()
        if hazard not in self.hazards.get(callee, ()):
            return 403
        parts = dict(part.split("=", 1) for part in header.split(";"))
        key = self.keys.get((caller, parts["kid"]))
        if key is None:
            return 437
        lines = ["if-escalate-v1", parts["kid"], parts["iat"], trace_id, hazard, caller, callee]
        if "sdp" in parts["c"].split(","):
            lines.append(hashlib.sha256(KSR.pv.get("$rb").encode()).hexdigest())
        signed = "".join(line + "\n" for line in lines).encode()
        try:
            key.verify(base64.urlsafe_b64decode(parts["sig"] + "=="), signed)
        except InvalidSignature:
            return 438
        iat = int(parts["iat"])
        if abs(now - iat) > self.freshness_s:
            return 403
        replay = (parts["kid"], trace_id, iat)
        if replay in self.seen:
            return 403
        self.seen[replay] = now
        return 200

    def checked(self, msg):
        """For python_exec() of a script in Kamailio's own language: 1 or -1."""
        return 1 if self.decide() == 200 else -1

    def ksr_request_route(self, msg):
        if KSR.pv.get("$rm") == "ACK":
            return 1
        code = self.decide()
        if code == 200:
            KSR.sl.sl_send_reply(480, "Bench")
        else:
            KSR.sl.sl_send_reply(code, "Rejected")
        return 1

    def decide(self):
        """The SIP code of the verdict, after its line was written."""
        now = time.time()
        code = self.verdict(now)
        entry = {
            "time": now,
            "event": "APPROVED" if code == 200 else "REJECTED",
            "call_id": KSR.pv.get("$ci"),
            "from": KSR.pv.get("$fu"),
            "ruri": KSR.pv.get("$ru"),
            "trace_id": KSR.pv.get("$hdr(X-IF-Trace-ID)"),
            "code": code,
        }
        self.log.write(json.dumps(entry) + "\n")
        self.log.flush()
        return code


def mod_init():
    return Check()
