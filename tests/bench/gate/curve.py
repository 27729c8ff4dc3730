"""The load curve: whole calls through the shipped kamailio.cfg, offered at up to three times what
it can do, with and without shedding.

Kamailio and ife-witnessd run on one CPU, sipp as caller and expert on another, so that the load
does not take from what is measured.
"""

import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import peers
import signing
import stack

SECONDS = 10
# Parts of the saturation rate that are offered.
PARTS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
GOODPUT_AT = 2.0
GOODPUT_MIN = 0.9
SHEDDING = {
    "shedding": [],
    "no shedding": [
        "-A",
        "SHED_STRANGERS=1000",
        "-A",
        "SHED_PARTIES=1000",
        "-A",
        "SHED_MEMORY=1000",
    ],
}
# Neither shared memory nor the replay table is the question here: two minutes of signatures at the
# highest rate fit.
MEMORY_MIB = 4096
REPLAY_SLOTS = 1 << 20


def on_cpu(number, command):
    count = os.cpu_count() or 1
    return ["taskset", "-c", str(number % count), *map(str, command)]


def registry_yaml(signer, expert_port):
    return peers.registry_yaml(signer).replace(
        "sip:expert@127.0.0.1:9", f"sip:expert@127.0.0.1:{expert_port}"
    )


class Proxy:
    """The shipped configuration, a witness and an expert that answers at once."""

    def __init__(self, setup, name, settings):
        self.setup = setup
        self.work = setup.work / name.replace(" ", "-")
        self.work.mkdir(parents=True, exist_ok=True)
        self.port, self.expert_port, rpc = (stack.free_udp_port() for _ in range(3))
        registry = self.work / "registry.yaml"
        registry.write_text(registry_yaml(setup.signer, self.expert_port))
        (self.work / "dispatcher.list").write_text("1 sip:127.0.0.1:9 8\n")
        self.log = open(self.work / "kamailio.log", "wb")
        values = {
            "SIP_ADDR": "127.0.0.1",
            "SIP_PORT": self.port,
            "WORKERS": 4,
            "RPC_SOCKET": f'"udp:127.0.0.1:{rpc}"',
            "REGISTRY": f'"{registry}"',
            "STATE_DIR": f'"{setup.state_dir}"',
            "NODE": '"bench"',
            "REPLAY_SLOTS": REPLAY_SLOTS,
            "GATEWAYS": f'"{self.work / "dispatcher.list"}"',
        }
        defines = [part for key, value in values.items() for part in ("-A", f"{key}={value}")]
        self.kamailio = subprocess.Popen(
            on_cpu(
                0,
                [
                    "kamailio",
                    "-DD",
                    "-E",
                    "-m",
                    MEMORY_MIB,
                    "-M",
                    "16",
                    "-x",
                    "fm",
                    "-X",
                    "fm",
                    "-Y",
                    self.work,
                    "-L",
                    setup.cfg_values()["MPATH"],
                    "-f",
                    setup.root / "kamailio.cfg",
                    *defines,
                    *settings,
                ],
            ),
            stdout=self.log,
            stderr=self.log,
            env={"PATH": stack.SYSTEM_PATH},
            start_new_session=True,
        )
        self.expert = subprocess.Popen(
            on_cpu(
                1,
                [
                    "sipp",
                    "-sf",
                    setup.root / "tests/sipp/uas.xml",
                    "-i",
                    "127.0.0.1",
                    "-p",
                    self.expert_port,
                    "-nostdin",
                ],
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.work,
            start_new_session=True,
        )
        self.wait_ready()

    def wait_ready(self):
        probe = (
            "OPTIONS sip:probe@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
            "127.0.0.1:9;rport;branch=z9hG4bKprobe\r\n"
            "From: <sip:probe@127.0.0.1>;tag=p\r\nTo: <sip:probe@127.0.0.1>\r\nCall-ID: probe\r\n"
            "CSeq: 1 OPTIONS\r\n"
            "Max-Forwards: 1\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            for _ in range(100):
                if self.kamailio.poll() is not None:
                    raise SystemExit(f"kamailio ended: see {self.work}/kamailio.log")
                try:
                    sock.sendto(probe, ("127.0.0.1", self.port))
                    sock.recv(4096)
                    # A replay table that was born empty refuses what was signed before its birth.
                    time.sleep(1.5)
                    return
                except OSError:
                    time.sleep(0.1)
        raise SystemExit(f"kamailio does not answer: see {self.work}/kamailio.log")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.kamailio, self.expert):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        self.log.close()


def offer(proxy, body, rate, prefix):
    """Offers `rate` calls a second; calls per second that were answered and hung up, and that got
    503, while they were offered.
    """
    fields, statistics = proxy.work / "fields.csv", proxy.work / "stat.csv"
    count = int(rate * SECONDS)
    signing.write_fields(fields, proxy.setup.signer, body, count, prefix)
    statistics.unlink(missing_ok=True)
    subprocess.run(
        on_cpu(
            1,
            [
                "sipp",
                f"127.0.0.1:{proxy.port}",
                "-sf",
                stack.HERE / "call.xml",
                "-inf",
                fields,
                "-i",
                "127.0.0.1",
                "-m",
                count,
                "-r",
                int(rate),
                "-l",
                100000,
                "-nostdin",
                "-timeout",
                SECONDS + 15,
                "-timeout_error",
                "-trace_stat",
                "-stf",
                statistics,
                "-fd",
                "1",
            ],
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=proxy.work,
        check=False,
    )
    lines = statistics.read_text().splitlines()
    rows = [dict(zip(lines[0].split(";"), line.split(";"))) for line in lines[1:]]
    # The row of the last second in which calls were offered: what drains afterwards is no goodput.
    window = next((row for row in rows if seconds_of(row) >= SECONDS), rows[-1])
    return tuple(int(window[f"GenericCounter{n}(C)"]) / max(seconds_of(window), 1) for n in (1, 2))


def seconds_of(row):
    hours, minutes, seconds = row["ElapsedTime(C)"].split(":")[:3]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def saturation(proxy, body, names):
    """The most calls a second that were done at any rate tried, each a quarter higher than the one
    before.
    """
    best, rate = 0.0, 400.0
    while rate <= 8000:
        done, _ = offer(proxy, body, rate, next(names))
        best = max(best, done)
        if done < 0.9 * rate:
            return best
        rate *= 1.25
    return best


def measure(setup):
    """{"saturation": calls/s, "shedding" and "no shedding": [{offered, done, refused}]}."""
    body = signing.scenario_body((stack.HERE / "call.xml").read_text())
    names = (f"curve-{number}" for number in itertools.count())
    results = {"load_average_before": os.getloadavg()[0]}
    with peers.Witness(
        setup.root / "target/release/ife-witnessd", setup.work, setup.state_dir
    ) as witness:
        subprocess.run(
            ["taskset", "-a", "-p", "-c", "0", str(witness.process.pid)],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        for name, settings in SHEDDING.items():
            with Proxy(setup, name, settings) as proxy:
                if "saturation" not in results:
                    results["saturation"] = saturation(proxy, body, names)
                    print(f"saturation: {results['saturation']:.0f} calls/s", flush=True)
                results[name] = []
                for part in PARTS:
                    rate = max(1, round(part * results["saturation"]))
                    done, refused = offer(proxy, body, rate, next(names))
                    results[name].append(
                        {"part": part, "offered": rate, "done": done, "refused": refused}
                    )
                    print(f"{name}: offered {rate}, done {done:.0f}, 503 {refused:.0f}", flush=True)
    results["load_average_after"] = os.getloadavg()[0]
    return results


def goodput_ratio(results, name, part=GOODPUT_AT):
    """Calls done at `part` times saturation, over the best at any rate."""
    best = max(
        [results["saturation"], *(row["done"] for curve in SHEDDING for row in results[curve])]
    )
    return next(row["done"] for row in results[name] if row["part"] == part) / best


def svg(results):
    """The curves as a picture: calls offered to the right, calls done upwards."""
    width, height, margin = 640, 360, 50
    right = max(row["offered"] for row in results["shedding"])
    top = max(row["done"] for name in SHEDDING for row in results[name]) * 1.1 or 1

    def at(offered, done):
        x = margin + offered / right * (width - 2 * margin)
        return f"{x:.1f},{height - margin - done / top * (height - 2 * margin):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M{at(0, top)} L{at(0, 0)} L{at(right, 0)}" fill="none" stroke="black"/>',
        f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">calls offered per '
        'second</text>',
        f'<text x="16" y="{height / 2}" text-anchor="middle" transform="rotate(-90 16 '
        f'{height / 2})">calls done per second</text>',
    ]
    for row in results["shedding"]:
        x, y = at(row["offered"], 0).split(",")
        parts.append(
            f'<text x="{x}" y="{float(y) + 16}" text-anchor="middle">{row["offered"]}</text>'
        )
    for share in (0.25, 0.5, 0.75, 1.0):
        x, y = at(0, top * share).split(",")
        parts.append(
            f'<text x="{float(x) - 6}" y="{float(y) + 4}" '
            f'text-anchor="end">{top * share:.0f}</text>'
        )
    for index, (name, colour) in enumerate(zip(SHEDDING, ("#1b6ca8", "#b33939"))):
        points = " ".join(at(row["offered"], row["done"]) for row in results[name])
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts.append(
            f'<text x="{width - margin}" y="{margin + 16 * index}" text-anchor="end" '
            f'fill="{colour}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def write(results, directory):
    """load-curve.json and load-curve.svg."""
    directory = pathlib.Path(directory)
    (directory / "load-curve.json").write_text(json.dumps(results, indent=1) + "\n")
    (directory / "load-curve.svg").write_text(svg(results))
