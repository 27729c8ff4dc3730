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


def read_key(path):
    """(key id, private key) of a file that `ifectl keygen` wrote."""
    with open(path, encoding="ascii") as file:
        _, kid, seed = file.read().split()
    return kid, Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed))


def escalation(kid, key, message_id, trace_id, hazard, room=None):
    """The message, signed now."""
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
    return message


if __name__ == "__main__":
    print(json.dumps(escalation(*read_key(sys.argv[1]), *sys.argv[2:])))
