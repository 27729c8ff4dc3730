"""The most whole calls a second that one worker of Kamailio relays: without a check, with the gate,
with app_python3, with secsipid.

A closed loop: a fixed number of calls is under way, each that ends makes room for the next, so that
nothing is lost or sent again by overload. Kamailio is bound to one CPU, the load and ife-witnessd
to another.
"""

import itertools
import json
import statistics
import time

import calls
import peers
import stack

SECONDS = 4
AT_ONCE = 64
# A transaction stays for 5 s after its end.
MEMORY_MIB = 2048
CHECKS = {"none": "NONE", "gate": "GATE", "app_python3": "PYTHON", "secsipid": "SECSIPID"}


def once(setup, check, prefix):
    """The report of calls.closed_loop(), and `cpu_us`: CPU of Kamailio for a call."""
    expert_port = stack.free_udp_port()
    values = {**setup.cfg_values(), "CHECK": check, "EXPERT": str(expert_port)}
    env = {
        "IFE_BENCH_REGISTRY": str(setup.work / "registry.json"),
        "IFE_BENCH_LOG": str(setup.work / "python.log"),
    }
    # All INVITEs have the PASSporT that secsipid checks.
    passport = setup.signer.passport(int(time.time()))
    identity = f"{passport};info=<https://certs.example/a.pem>;alg=ES256;ppt=shaken"
    with stack.Kamailio(
        "saturate", setup.work, values, env, memory_mib=MEMORY_MIB, cpu=0
    ) as kamailio:
        # A replay table that was born empty refuses requests signed before its birth.
        time.sleep(1)
        pids = kamailio.pids()
        before = stack.cpu_ns(pids)
        told = calls.closed_loop(
            setup, kamailio.port, expert_port, prefix, SECONDS, AT_ONCE, identity=identity
        )
        cpu_us = (stack.cpu_ns(pids) - before) / told["done_in_all"] / 1000
    return {**told, "cpu_us": cpu_us}


def measure(setup, rounds):
    """{check: {rate, busy, cpu_us: medians; rates: one per round}}; rounds take checks in turns."""
    (setup.work / "registry.yaml").write_text(peers.registry_yaml(setup.signer))
    (setup.work / "registry.json").write_text(json.dumps(peers.python_registry(setup.signer)))
    results = {name: [] for name in CHECKS}
    names = (f"sat-{number}" for number in itertools.count())
    binary = setup.root / "target/release/ife-witnessd"
    with peers.Witness(binary, setup.work, setup.state_dir) as witness:
        witness.bind(1)
        for _ in range(rounds):
            for name, check in CHECKS.items():
                told = stack.until_measured(lambda: once(setup, check, next(names)))
                print(f"{name}: {told['rate']:.0f} calls/s, {told}", flush=True)
                results[name].append(told)
    return {
        name: {
            **{key: statistics.median(row[key] for row in rows) for key in ("rate", "cpu_us")},
            "rates": [row["rate"] for row in rows],
            "load_busy": max(row["busy"] for row in rows),
        }
        for name, rows in results.items()
    }
