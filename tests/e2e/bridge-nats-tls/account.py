#!/usr/bin/env python3
"""Keys and tokens of a NATS operator, as `nsc` would make them (docs.nats.io, "JWT Authentication
Guide"; nkeys README).

usage: account.py DIR PORT CERT KEY
  DIR/nats.conf       a server that takes only users of the account, over TLS alone
  DIR/user.creds      one of them
  DIR/stranger.creds  one whose account has no signer known to the server
"""
import base64
import json
import pathlib
import sys
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3
LIMITS = {
    name: -1
    for name in (
        "subs",
        "data",
        "payload",
        "imports",
        "exports",
        "conn",
        "leaf",
        "mem_storage",
        "disk_storage",
        "streams",
        "consumer",
    )
}


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def written(prefix, raw):
    body = bytes(prefix) + raw
    return base64.b32encode(body + crc16(body).to_bytes(2, "little")).decode().rstrip("=")


class Key:
    def __init__(self, kind):
        self.kind = kind
        self.secret = Ed25519PrivateKey.generate()
        self.name = written(
            [kind], self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        )

    def seed(self):
        raw = self.secret.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return written([SEED | self.kind >> 5, (self.kind & 31) << 3], raw)


def url64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def token(issuer, subject, kind, **nats):
    claims = {
        "iat": int(time.time()),
        "iss": issuer.name,
        "jti": subject.name,
        "name": kind,
        "sub": subject.name,
        "nats": {**nats, "type": kind, "version": 2},
    }
    text = ".".join(
        url64(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)
    )
    return f"{text}.{url64(issuer.secret.sign(text.encode()))}"


def creds(account):
    user = Key(USER)
    jwt = token(account, user, "user", pub={}, sub={}, subs=-1, data=-1, payload=-1)
    lines = [
        "-----BEGIN NATS USER JWT-----",
        jwt,
        "------END NATS USER JWT------",
        "",
        "-----BEGIN USER NKEY SEED-----",
        user.seed(),
        "------END USER NKEY SEED------",
        "",
    ]
    return "\n".join(lines)


def main(directory, port, cert, key):
    directory = pathlib.Path(directory)
    operator, system, account = Key(OPERATOR), Key(ACCOUNT), Key(ACCOUNT)
    tokens = {
        one.name: token(operator, one, "account", limits=limits)
        for one, limits in (
            (system, {**LIMITS, "mem_storage": 0, "disk_storage": 0}),
            (account, LIMITS),
        )
    }
    preload = "\n".join(f"  {name}: {jwt}" for name, jwt in tokens.items())
    (directory / "nats.conf").write_text(f"""listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{directory}/nats" }}
tls {{ cert_file: "{cert}", key_file: "{key}" }}
operator: {token(operator, operator, "operator")}
system_account: {system.name}
resolver: MEMORY
resolver_preload: {{
{preload}
}}
""")
    (directory / "user.creds").write_text(creds(account))
    (directory / "stranger.creds").write_text(creds(Key(ACCOUNT)))


main(*sys.argv[1:])
