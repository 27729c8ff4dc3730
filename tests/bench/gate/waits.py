"""Calls a second through the shipped kamailio.cfg on a disk whose sync takes 20 ms.

Without waiting for it, waiting without a worker, and waiting in the workers. A closed loop: so many
calls are under way that calls that wait take no place from others. Kamailio and ife-witnessd run
on one CPU, the load on another.
"""

import itertools
import os
import statistics
import subprocess

import calls
import curve
import large
import peers
import stack

SYNC_MS = 20
WAIT_MS = 2000
SECONDS = 5
AT_ONCE = 512
# Four workers that wait serve fewer; most of the others would wait in the queue.
AT_ONCE_IN_WORKERS = 16
# In turns, so that a drift of the machine's speed hits all alike.
ROUNDS = 3
# Without shedding: AT_ONCE calls may fill more than half of the receive queue.
WAYS = {
    "not waiting": [],
    "waiting": ["-A", f"WITNESS_WAIT_MS={WAIT_MS}"],
    "waiting in the workers": ["-A", f"WITNESS_WAIT_MS={WAIT_MS}", "-A", "WITNESS_WAIT_WORKERS=0"],
}


def slow_disk(setup):
    """The environment of a program whose every fsync and fdatasync takes SYNC_MS longer."""
    library = setup.work / "slow_sync.so"
    source = stack.HERE / "slow_sync.c"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return {**os.environ, "LD_PRELOAD": str(library), "IFE_SYNC_MS": str(SYNC_MS)}


def waited(proxy):
    """Decisions that waited for the disk, since the shared state was made."""
    return large.rpc(proxy.rpc_port, "ife.stats").get("witness_waits", 0)


def once(setup, way, names):
    at_once = AT_ONCE_IN_WORKERS if way == "waiting in the workers" else AT_ONCE
    settings = [*curve.SHEDDING["no shedding"], *WAYS[way]]
    with curve.Proxy(setup, way, settings) as proxy:
        before = waited(proxy)
        told = calls.closed_loop(
            setup, proxy.port, proxy.expert_port, next(names), SECONDS, at_once
        )
        count = waited(proxy) - before
    if (count > 0) != (way != "not waiting"):
        raise SystemExit(f"bench: {count} calls waited for the disk, {way}")
    return told["rate"]


def measure(setup):
    """{way: median calls/s}, {way: [calls/s of each round]}."""
    names = (f"waits-{number}" for number in itertools.count())
    rounds = {way: [] for way in WAYS}
    binary = setup.root / "target/release/ife-witnessd"
    with peers.Witness(binary, setup.work, setup.state_dir, slow_disk(setup)) as witness:
        witness.bind(0)
        for _ in range(ROUNDS):
            for way, done in rounds.items():
                done.append(stack.until_measured(lambda: once(setup, way, names)))
                print(f"{way}: {done[-1]:.0f} calls/s", flush=True)
    return {way: statistics.median(done) for way, done in rounds.items()}, rounds
