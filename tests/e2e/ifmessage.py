#!/usr/bin/env python3
"""An escalation, or an order about a call, as an agent sends it: one line of JSON, signed over its
canonical form.

usage: ifmessage.py KEY_FILE ID TRACE_ID HAZARD[,HAZARD...] [ROOM]
       ifmessage.py KEY_FILE order ID ORDER CALL_ID

SOURCE in the environment names another agent, SENT the seconds from now to its timestamp, EVIDENCE
a file.
"""
import base64
import datetime
import json
import os
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def canonical(value):
    # All names and values here are ASCII without numbers but integers: sorted keys and no blanks
    # are RFC 8785.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def read_key(path):
    """(key id, private key) of a file that `ifectl keygen` wrote."""
    with open(path, encoding="ascii") as file:
        _, kid, seed = file.read().split()
    return kid, Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed))


def escalation(kid, key, message_id, trace_id, hazard, room=None):
    """The message, signed now."""
    payload = {"hazards": hazard.split(",")}
    if "EVIDENCE" in os.environ:
        payload["evidence_files"] = [os.environ["EVIDENCE"]]
    more = {"traceId": trace_id} | ({"conversation_id": room} if room else {})
    return signed(kid, key, message_id, "escalate", payload, more)


def order(kid, key, message_id, word, call_id):
    """An order about a call, signed now."""
    return signed(kid, key, message_id, "request", {"order": word, "call_id": call_id}, {})


def signed(kid, key, message_id, performative, payload, more):
    sent = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
        seconds=int(os.environ.get("SENT", 0))
    )
    message = {
        "id": message_id,
        "timestamp": sent.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "level": 1,
        "source": os.environ.get("SOURCE", "if://agent/guard"),
        "destination": "if://service/bridge",
        "performative": performative,
        "payload": payload,
    } | more
    sig = base64.urlsafe_b64encode(key.sign(canonical(message))).decode().rstrip("=")
    message["signature"] = {"alg": "ed25519", "kid": kid, "sig": sig}
    return message


if __name__ == "__main__":
    make, rest = (order, sys.argv[3:]) if sys.argv[2] == "order" else (escalation, sys.argv[2:])
    print(json.dumps(make(*read_key(sys.argv[1]), *rest)))
