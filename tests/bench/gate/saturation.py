"""The most whole calls a second that one worker of Kamailio relays: without a check, with the gate,
with app_python3, with secsipid.

A closed loop: a fixed number of calls is under way, each that ends makes room for the next, so that
nothing is lost or sent again by overload. Kamailio is bound to one CPU, sipp as caller and expert,
and ife-witnessd, to another.
"""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import time

import curve
import peers
import signing
import stack

CALLS = 20_000
WARM_UP_CALLS = 1_000
AT_ONCE = 64
# A transaction stays for 5 s after its end.
MEMORY_MIB = 2048
CHECKS = {"none": "NONE", "gate": "GATE", "app_python3": "PYTHON", "secsipid": "SECSIPID"}
IDENTITY = "Identity: [field4];info=<https://certs.example/a.pem>;alg=ES256;ppt=shaken\n"


def caller_scenario():
    """A whole call, its INVITE with the Identity that secsipid checks: all get the same one."""
    text = (stack.HERE / "call.xml").read_text()
    return text.replace(
        "Content-Type: application/sdp\n", IDENTITY + "Content-Type: application/sdp\n", 1
    )


@contextlib.contextmanager
def expert(port, work):
    """A phone that answers at once."""
    process = subprocess.Popen(
        curve.on_cpu(
            1, ["sipp", "-sf", stack.HERE / "answer.xml", "-i", "127.0.0.1", "-p", port, "-nostdin"]
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=work,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def run_calls(kamailio, scenario, fields, count):
    """Makes `count` calls, AT_ONCE at a time; returns the seconds that they took."""
    counts = kamailio.work / "stat.csv"
    counts.unlink(missing_ok=True)
    started = time.monotonic()
    subprocess.run(
        curve.on_cpu(
            1,
            [
                "sipp",
                f"127.0.0.1:{kamailio.port}",
                "-sf",
                scenario,
                "-inf",
                fields,
                "-i",
                "127.0.0.1",
                "-m",
                count,
                "-r",
                50_000,
                "-l",
                AT_ONCE,
                "-nostdin",
                "-timeout",
                "120",
                "-timeout_error",
                "-trace_stat",
                "-stf",
                counts,
                "-fd",
                "1",
            ],
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=kamailio.work,
        check=False,
    )
    took = time.monotonic() - started
    lines = counts.read_text().splitlines()
    row = dict(zip(lines[0].split(";"), lines[-1].split(";")))
    done = int(row["GenericCounter1(C)"])
    if done < count * 0.995:
        raise stack.Stalled(f"saturation: {done} of {count} calls were answered and hung up")
    return took


def once(setup, check, prefix):
    """{rate: calls a second, busy: part of the time that Kamailio was on its CPU, cpu_us: a call}."""
    body = signing.scenario_body(caller_scenario())
    expert_port = stack.free_udp_port()
    values = {**setup.cfg_values(), "CHECK": check, "EXPERT": str(expert_port)}
    env = {
        "IFE_BENCH_REGISTRY": str(setup.work / "registry.json"),
        "IFE_BENCH_LOG": str(setup.work / "python.log"),
    }
    with stack.Kamailio(
        "saturate", setup.work, values, env, memory_mib=MEMORY_MIB, cpu=0
    ) as kamailio:
        scenario, fields = kamailio.work / "call.xml", kamailio.work / "fields.csv"
        scenario.write_text(caller_scenario())
        with expert(expert_port, kamailio.work):
            # A replay table that was born empty refuses what was signed before its birth.
            time.sleep(1)
            signing.write_fields(fields, setup.signer, body, CALLS + WARM_UP_CALLS, prefix)
            run_calls(kamailio, scenario, fields, WARM_UP_CALLS)
            peers.skip_fields(fields, WARM_UP_CALLS)
            pids = kamailio.pids()
            before = stack.cpu_ns(pids)
            took = run_calls(kamailio, scenario, fields, CALLS)
            cpu = (stack.cpu_ns(pids) - before) / 1e9
    return {"rate": CALLS / took, "busy": cpu / took, "cpu_us": cpu / CALLS * 1e6}


def measure(setup, rounds):
    """{check: {rate, busy, cpu_us: medians; rates: one per round}}; rounds take checks in turns."""
    (setup.work / "registry.yaml").write_text(peers.registry_yaml(setup.signer))
    (setup.work / "registry.json").write_text(json.dumps(peers.python_registry(setup.signer)))
    with peers.Witness(
        setup.root / "target/release/ife-witnessd", setup.work, setup.state_dir
    ) as witness:
        subprocess.run(
            ["taskset", "-a", "-p", "-c", "1", str(witness.process.pid)],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        results = {name: [] for name in CHECKS}
        for number in range(rounds):
            for name, check in CHECKS.items():
                attempts = iter(range(10))
                measured = stack.until_measured(
                    lambda: once(setup, check, f"sat-{check}-{number}-{next(attempts)}")
                )
                print(
                    f"{name}: {measured['rate']:.0f} calls/s, worker busy {measured['busy']:.2f}",
                    flush=True,
                )
                results[name].append(measured)
    return {
        name: {
            **{key: statistics.median(row[key] for row in rows) for key in rows[0]},
            "rates": [row["rate"] for row in rows],
        }
        for name, rows in results.items()
    }
