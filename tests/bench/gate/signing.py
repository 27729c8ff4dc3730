"""Signed INVITE fields for the load generator, made ahead of the run so that signing costs nothing
in it.
"""

import base64
import hashlib
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

CALLER = "council@council.example"
CALLEE = "expert-safety@external.advisor"
HAZARD = "safety"
KID = "bench-2026a"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def new_public_base64():
    """A public key whose private half is not kept."""
    return public_base64(Ed25519PrivateKey.generate())


def public_base64(key):
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


class Signer:
    """Ed25519 for the gate and the Python peer, ES256 for secsipid."""

    def __init__(self):
        self.key = Ed25519PrivateKey.generate()
        self.es256 = ec.generate_private_key(ec.SECP256R1())

    def public_base64(self):
        return public_base64(self.key)

    def seed_base64(self):
        raw, none = serialization.PrivateFormat.Raw, serialization.NoEncryption()
        return base64.b64encode(
            self.key.private_bytes(serialization.Encoding.Raw, raw, none)
        ).decode()

    def passport_public_pem(self):
        return self.es256.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def signature(self, trace_id, iat, body, hazard=HAZARD):
        lines = [
            "if-escalate-v1",
            KID,
            str(iat),
            trace_id,
            hazard,
            "sip:" + CALLER,
            "sip:" + CALLEE,
        ]
        lines.append(hashlib.sha256(body).hexdigest())
        return b64url(self.key.sign("".join(line + "\n" for line in lines).encode()))

    def passport(self, iat):
        """A PASSporT of RFC 8225; one for the whole run, since secsipid keeps no replay table."""
        header = {
            "alg": "ES256",
            "ppt": "shaken",
            "typ": "passport",
            "x5u": "https://certs.example/a.pem",
        }
        payload = {
            "attest": "A",
            "dest": {"tn": ["15551230001"]},
            "iat": iat,
            "orig": {"tn": "15551230002"},
            "origid": "f6b0e7c2-4c6a-4f5c-9d57-2d36f5c3a111",
        }
        parts = [
            b64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload)
        ]
        signed = ".".join(parts).encode()
        r, s = decode_dss_signature(self.es256.sign(signed, ec.ECDSA(hashes.SHA256())))
        return ".".join([*parts, b64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))])


def scenario_body(uac_xml):
    """The SDP exactly as sipp sends it: the lines after the empty one, each ended by CR LF."""
    cdata = uac_xml.split("<![CDATA[")[1].split("]]>")[0].strip("\n")
    lines = cdata.split("\n\n", 1)[1].split("\n")
    return "".join(line + "\r\n" for line in lines).encode()


def write_fields(path, signer, body, count, prefix, hazard=HAZARD):
    """One line per call: trace id, hazard, iat, signature, PASSporT, caller, callee; sipp cannot
    escape a ';'.
    """
    iat = int(time.time())
    passport = signer.passport(iat)
    with open(path, "w", encoding="utf-8") as file:
        file.write("SEQUENTIAL\n")
        for number in range(count):
            trace_id = f"{prefix}-{number:08d}"
            signature = signer.signature(trace_id, iat, body, hazard)
            file.write(
                ";".join([trace_id, hazard, str(iat), signature, passport, CALLER, CALLEE]) + "\n"
            )
