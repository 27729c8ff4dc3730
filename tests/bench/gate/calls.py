"""Whole calls by sip_load of tests/tools, which is caller and expert: how many were answered and
hung up.
"""

import json
import os
import subprocess

import programs
import signing
import stack

# Signing takes a while; no proxy relays so many calls a second.
RATE_MAX = 15_000
# Of 1,000 calls of a closed loop, where nothing is overrun, so many may end otherwise.
LOST_MAX = 5


def on_cpu(number, command):
    count = os.cpu_count() or 1
    return ["taskset", "-c", str(number % count), *map(str, command)]


def key_file(setup):
    """The caller's private key as a file."""
    path = setup.work / "caller.key"
    path.touch(0o600)
    path.write_text(f"IFE-PRIVATE-KEY-1 {signing.KID} {setup.signer.seed_base64()}\n")
    return path


def command(setup, port, expert_port, prefix, options):
    named = {
        "proxy": f"127.0.0.1:{port}",
        "expert": f"127.0.0.1:{expert_port}",
        "key": key_file(setup),
        "prefix": prefix,
        "from": signing.CALLER,
        "to": signing.CALLEE,
        "hazard": signing.HAZARD,
        **options,
    }
    words = [programs.tool(setup, "sip_load")]
    for name, value in named.items():
        words += ["--" + name.replace("_", "-"), value]
    return words


def run(setup, port, expert_port, prefix, **options):
    """The report of sip_load, by its names. It runs on CPU 1."""
    words = command(setup, port, expert_port, prefix, options)
    done = subprocess.run(on_cpu(1, words), stdout=subprocess.PIPE, check=True, timeout=300)
    return json.loads(done.stdout)


def closed_loop(setup, port, expert_port, prefix, seconds, at_once, **options):
    """The same with so many calls under way, and `rate`: calls done a second. Raises Stalled when
    calls were lost or refused.
    """
    told = run(
        setup,
        port,
        expert_port,
        prefix,
        seconds=seconds,
        at_once=at_once,
        warm_up=1,
        calls=int(RATE_MAX * (seconds + 1)),
        **options,
    )
    lost = told["begun_in_all"] - told["done_in_all"]
    if not told["done"] or lost * 1000 > LOST_MAX * told["begun_in_all"]:
        raise stack.Stalled(f"{prefix}: calls of a closed loop were lost or refused: {told}")
    return {**told, "rate": told["done"] / told["seconds"]}
