#!/usr/bin/python3
"""Verifies with the Python rules what ifectl signs, call by call, with fresh keys and random calls.

Usage: cross_check.py IFECTL
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

import ife_rules as rules

CALLS = 200
SEED = 20260101


def run(ifectl, *arguments, cwd):
    return subprocess.run(
        [ifectl, *arguments], cwd=cwd, check=True, capture_output=True, text=True
    ).stdout


def random_user(chance):
    plain = "".join(
        chance.choices(rules.UNRESERVED + rules.USER_UNRESERVED, k=chance.randint(1, 12))
    )
    return plain + "".join(f"%{chance.randrange(256):02x}" for _ in range(chance.randint(0, 3)))


def random_uri(chance):
    host = chance.choice(["Council.Example", "10.1.2.3", "[2001:DB8::7]", "a.b-c.d"])
    scheme, user = chance.choice(["sip", "SIPS"]), random_user(chance)
    return f"{scheme}:{user}@{host}{chance.choice(['', ':5060', ';lr', ':5061;transport=tls'])}"


def check_call(ifectl, cwd, public, chance, number):
    """Signs one random call and verifies it."""
    caller, callee = random_uri(chance), random_uri(chance)
    call_id, body = (
        f"{number}.{chance.getrandbits(32):x}@host",
        "".join(chance.choices("v=0\r\nabc é", k=chance.randint(0, 40))),
    )
    parts = chance.choice(["base", "base,cid", "base,sdp", "base,cid,sdp", "base,sdp,cid"])
    (cwd / "body").write_bytes(body.encode())
    signed = json.loads(
        run(
            ifectl,
            "sign",
            "--json",
            "--key",
            "k.key",
            f"--from={caller}",
            f"--to={callee}",
            "--hazard",
            "safety",
            "--cover",
            parts,
            "--call-id",
            call_id,
            "--body",
            "body",
            cwd=cwd,
        )
    )
    header = rules.signature(signed["signature"].encode())
    message = rules.canonical_bytes(
        {
            "kid": header["kid"],
            "iat": header["iat"],
            "covered": header["covered"],
            "hazard": signed["hazard"],
            "call_id": call_id,
            "trace_id": rules.trace_id(signed["trace_id"].encode()),
            "caller": rules.aor(caller.encode()),
            "callee": rules.aor(callee.encode()),
            "body": body,
        }
    )
    rules.verify_strict(public, message, bytes.fromhex(header["sig_hex"]))


def main():
    ifectl = pathlib.Path(sys.argv[1]).resolve()
    chance = random.Random(SEED)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as directory:
        cwd = pathlib.Path(directory)
        made = json.loads(
            run(ifectl, "keygen", "--kid", "cross-check", "--out", "k.key", "--json", cwd=cwd)
        )
        public = rules.public_key(made["public_key"])
        for number in range(CALLS):
            try:
                check_call(ifectl, cwd, public, chance, number)
                passed += 1
            except (rules.Bad, subprocess.CalledProcessError) as error:
                failed += 1
                print(f"call {number}: {error} {getattr(error, 'stderr', '')}", file=sys.stderr)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
