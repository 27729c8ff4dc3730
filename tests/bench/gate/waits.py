"""Calls a second through the shipped kamailio.cfg on a disk whose sync takes 20 ms.

Without waiting for it, waiting without a worker, and waiting in the workers.
"""

import contextlib
import itertools
import pathlib
import signal
import statistics
import subprocess
import time

import curve
import peers
import signing
import stack

SYNC_MS = 20
WAIT_MS = 2000
# In turns, so that a drift of the machine's speed hits all alike.
ROUNDS = 3
WAYS = {
    "not waiting": [],
    "waiting": ["-A", f"WITNESS_WAIT_MS={WAIT_MS}"],
    "waiting in the workers": ["-A", f"WITNESS_WAIT_MS={WAIT_MS}", "-A", "WITNESS_WAIT_WORKERS=0"],
}


@contextlib.contextmanager
def slow_sync(pid):
    """Each fdatasync of the process takes SYNC_MS longer."""
    inject = f"inject=fdatasync:delay_enter={SYNC_MS * 1000}"
    options = ["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", inject]
    tracer = subprocess.Popen(["strace", *options, "-p", str(pid)])
    try:
        while "TracerPid:\t0\n" in pathlib.Path(f"/proc/{pid}/status").read_text():
            if tracer.poll() is not None:
                raise SystemExit("bench: strace cannot follow ife-witnessd")
            time.sleep(0.05)
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)


def measure(setup):
    """{way: [highest calls/s of each round]}."""
    body = signing.scenario_body((stack.HERE / "call.xml").read_text())
    names = (f"waits-{number}" for number in itertools.count())
    results = {way: [] for way in WAYS}
    binary = setup.root / "target/release/ife-witnessd"
    with (
        peers.Witness(binary, setup.work, setup.state_dir) as witness,
        slow_sync(witness.process.pid),
    ):
        for _ in range(ROUNDS):
            for way, settings in WAYS.items():
                with curve.Proxy(setup, way, settings) as proxy:
                    results[way].append(curve.saturation(proxy, body, names))
                print(f"{way}: {results[way][-1]:.0f} calls/s", flush=True)
    return {way: statistics.median(rounds) for way, rounds in results.items()}, results
