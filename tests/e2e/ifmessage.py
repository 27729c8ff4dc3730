#!/usr/bin/env python3
"""An escalation as an agent sends it: one line of JSON, signed over its canonical form.

usage: ifmessage.py KEY_FILE ID TRACE_ID HAZARD [ROOM]
"""
import base64
import datetime
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def canonical(value):
    # All names and values here are ASCII without numbers but integers: sorted keys and no blanks are RFC 8785.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def main(key_file, message_id, trace_id, hazard, room=None):
    with open(key_file, encoding="ascii") as file:
        _, kid, seed = file.read().split()
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed))
    now = datetime.datetime.now(datetime.timezone.utc)
    message = {
        "id": message_id,
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "level": 1,
        "source": "if://agent/guard",
        "destination": "if://service/bridge",
        "performative": "escalate",
        "traceId": trace_id,
        "payload": {"hazards": [hazard]},
    }
    if room:
        message["conversation_id"] = room
    sig = base64.urlsafe_b64encode(key.sign(canonical(message))).decode().rstrip("=")
    message["signature"] = {"alg": "ed25519", "kid": kid, "sig": sig}
    print(json.dumps(message))


main(*sys.argv[1:])
