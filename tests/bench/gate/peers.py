"""Kamailio side by side: no check, our gate, app_python3 and secsipid, the same INVITE through
each.
"""

import contextlib
import functools
import itertools
import json
import statistics
import subprocess
import threading
import time

import programs
import signing
import stack

# Rounds interleave the configurations, so that a drift of the machine's speed hits all alike.
ROUNDS = 3
RATE = 2000
# Slow enough, and long enough, for a peer that sets itself up at its first call.
WARM_UP_RATE = 200
WARM_UP_CALLS = 400


def registry_yaml(signer):
    """The registry of the bench: quotas and flood limits out of the way of the load."""
    return f"""version: 1
freshness_s: 3600
flood: {{rate_per_s: 1000000, burst: 1000000}}
hazards: [{{name: safety}}, {{name: ethics}}]
councils:
  - domain: council.example
    aors: ["sip:{signing.CALLER}"]
    sources: [127.0.0.0/8]
    transports: [udp]
    signers: [{{kid: {signing.KID}, public_key: "ed25519:{signer.public_base64()}", covers: [base, sdp]}}]
experts:
  - id: {signing.CALLEE}
    name: Bench expert
    aors: ["sip:{signing.CALLEE}"]
    contact: "sip:expert@127.0.0.1:9"
    hazards: [safety]
    signers: [{{kid: bench-expert, public_key: "ed25519:{signing.new_public_base64()}"}}]
    sources: [127.0.0.0/8]
    transports: [udp]
    quota: {{per_minute: 1000000, concurrent: 1000000, max_call_s: 60}}
"""


def python_registry(signer):
    return {
        "keys": [["sip:" + signing.CALLER, signing.KID, signer.public_base64()]],
        "hazards": {"sip:" + signing.CALLEE: ["safety"]},
        "freshness_s": 3600,
    }


class Witness:
    """ife-witnessd for the run; its CPU is measured apart, it is no SIP worker."""

    def __init__(self, binary, work, state_dir, env=None):
        self.log = open(work / "witnessd.log", "wb")
        self.process = subprocess.Popen(
            [
                binary,
                "--init",
                "--log-dir",
                work / "witness",
                "--state-dir",
                state_dir,
                "--origin",
                "bench.example/log",
                "--key",
                work / "witness.key",
                "--cosigner-key",
                work / "cosigner.key",
                "--vkey-out",
                work / "witness.vkey",
            ],
            stdout=self.log,
            stderr=self.log,
            env=env,
        )
        time.sleep(1)

    def bind(self, cpu):
        """Binds all its threads to one CPU."""
        subprocess.run(
            ["taskset", "-a", "-p", "-c", str(cpu), str(self.process.pid)],
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def measure(setup, calls):
    """CPU per INVITE in microseconds: {configuration: [one value per round]}."""
    signer = setup.signer
    body = signing.scenario_body((stack.HERE / "uac.xml").read_text())
    (setup.work / "registry.yaml").write_text(registry_yaml(signer))
    (setup.work / "registry.json").write_text(json.dumps(python_registry(signer)))
    (setup.work / "passport.pem").write_bytes(signer.passport_public_pem())
    values = setup.cfg_values()
    env = {
        "IFE_BENCH_REGISTRY": str(setup.work / "registry.json"),
        "IFE_BENCH_LOG": str(setup.work / "python.log"),
    }
    plans = [
        ("none", "none", signing.HAZARD, 480),
        ("gate", "gate", signing.HAZARD, 480),
        ("gate refused before crypto", "gate", "ethics", 403),
        ("app_python3", "python", signing.HAZARD, 480),
        ("secsipid", "secsipid", signing.HAZARD, 480),
    ]
    results = {name: [] for name, *_ in plans}

    def once(cfg, hazard, expected, prefix):
        fields = setup.work / "fields.csv"
        with stack.Kamailio(cfg, setup.work, values, env) as kamailio:
            # A replay table that was born empty refuses requests signed before its birth.
            time.sleep(1)
            signing.write_fields(fields, signer, body, calls + WARM_UP_CALLS, prefix, hazard)
            stack.load(kamailio, fields, WARM_UP_CALLS, WARM_UP_RATE, expected)
            skip_fields(fields, WARM_UP_CALLS)
            return stack.cpu_per_call_us(kamailio, fields, calls, RATE, expected)

    for round_number in range(ROUNDS):
        for name, cfg, hazard, expected in plans:
            # Another trace id in each attempt: the replay table of the last one is still there.
            attempt = functools.partial(once, cfg, hazard, expected)
            prefixes = (f"{cfg}-{hazard}-{round_number}-{n}" for n in itertools.count())
            results[name].append(stack.until_measured(lambda: attempt(next(prefixes))))
    return {name: statistics.median(rounds) for name, rounds in results.items()}, results


def verify_beside_load_us(setup, calls):
    """One verify_strict as a worker meets it: 2,000 a second, asleep in between, while as many
    INVITEs go to a Kamailio without a check.
    """
    body = signing.scenario_body((stack.HERE / "uac.xml").read_text())
    fields = setup.work / "fields.csv"
    signing.write_fields(fields, setup.signer, body, calls, "beside")
    with stack.Kamailio("none", setup.work, setup.cfg_values()) as kamailio:
        load = threading.Thread(target=load_whatever_comes, args=(kamailio, fields, calls))
        load.start()
        lines = programs.bench(
            setup, "ife-policy-ffi", "gate", "--verify-paced", max(1, calls // RATE - 1)
        )
        load.join()
    return programs.pick(lines, name="verify_strict paced")["value"] / 1000


def load_whatever_comes(kamailio, fields, calls):
    """A load of which it does not matter how much is answered."""
    with contextlib.suppress(stack.Stalled):
        stack.load(kamailio, fields, calls, RATE, 480)


def skip_fields(path, count):
    """Drops the lines that the warm-up used: a trace id is good for one call."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + "".join(lines[1 + count :]))
