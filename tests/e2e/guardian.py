#!/usr/bin/env python3
"""A guardian's request, signed now over its canonical form: one line of JSON.

usage: guardian.py KEY_FILE admission ROOM [PII]    asks to join
       guardian.py KEY_FILE evidence ROOM           asks for links to the evidence

The guardian's name is that of the key; NAME in the environment names another one.
"""
import base64
import datetime
import json
import os
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ifmessage import canonical, read_key


def signed(key_file, kind, room, pii="false"):
    """The request, signed now."""
    name, key = read_key(key_file)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    request = {
        "terminal_id": os.environ.get("NAME", name),
        "call_id": room,
        "timestamp": datetime.datetime.now(datetime.timezone.utc)
        .isoformat()
        .replace("+00:00", "Z"),
        "public_key": f"ed25519:{base64.b64encode(public).decode()}",
    }
    if kind == "admission":
        request |= {"call_type": "ESCALATE", "bandwidth_bps": 64000, "has_pii": pii == "true"}
    signature = key.sign(canonical(request))
    return request | {"signature": base64.b64encode(signature).decode()}


if __name__ == "__main__":
    print(json.dumps(signed(*sys.argv[1:])))
