"""The load curve: whole calls through the shipped kamailio.cfg, offered at up to three times what
it can do, with and without shedding.

Kamailio and ife-witnessd run on one CPU, the load, caller and expert, on another, so that it does
not take from the measured program.
"""

import itertools
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import time

import calls
import peers
import stack

SECONDS = 4
# The closed loop that finds the saturation rate.
AT_ONCE = 256
# Each figure is the median of so many rounds, in which all rates take turns.
ROUNDS = {"shedding": 5, "no shedding": 1}
# Time of a call from 180 to 200.
RING_MS = 30
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
# Neither shared memory nor the replay table is the question here: five minutes of signatures at the
# highest rate fit.
MEMORY_MIB = 4096
REPLAY_SLOTS = 1 << 21


def registry_yaml(signer, expert_port):
    return peers.registry_yaml(signer).replace(
        "sip:expert@127.0.0.1:9", f"sip:expert@127.0.0.1:{expert_port}"
    )


class Proxy:
    """The shipped configuration on CPU 0, and a port for the expert."""

    def __init__(self, setup, name, settings):
        self.setup = setup
        self.work = setup.work / name.replace(" ", "-")
        self.work.mkdir(parents=True, exist_ok=True)
        self.port, self.expert_port, self.rpc_port = (stack.free_udp_port() for _ in range(3))
        registry = self.work / "registry.yaml"
        registry.write_text(registry_yaml(setup.signer, self.expert_port))
        (self.work / "dispatcher.list").write_text("1 sip:127.0.0.1:9 8\n")
        self.log = open(self.work / "kamailio.log", "wb")
        values = {
            "SIP_ADDR": "127.0.0.1",
            "SIP_PORT": self.port,
            "WORKERS": 4,
            "RPC_SOCKET": f'"udp:127.0.0.1:{self.rpc_port}"',
            "REGISTRY": f'"{registry}"',
            "STATE_DIR": f'"{setup.state_dir}"',
            "NODE": '"bench"',
            "REPLAY_SLOTS": REPLAY_SLOTS,
            "GATEWAYS": f'"{self.work / "dispatcher.list"}"',
        }
        defines = [part for key, value in values.items() for part in ("-A", f"{key}={value}")]
        self.kamailio = subprocess.Popen(
            calls.on_cpu(
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
                    # A replay table that was born empty refuses requests signed before its birth.
                    time.sleep(1.5)
                    return
                except OSError:
                    time.sleep(0.1)
        raise SystemExit(f"kamailio does not answer: see {self.work}/kamailio.log")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.kamailio.poll() is None:
            os.killpg(self.kamailio.pid, signal.SIGTERM)
        try:
            self.kamailio.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.kamailio.pid, signal.SIGKILL)
        self.log.close()


def dropped(port):
    """The datagrams that the kernel has dropped because the socket's queue was full."""
    for line in pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1].endswith(f":{port:04X}"):
            return int(words[-1])
    raise SystemExit(f"bench: no UDP socket has port {port}")


def offer(proxy, rate, prefix):
    """Offers `rate` calls a second; what became of them while they were offered, a second."""
    dropped_before = dropped(proxy.port)
    told = calls.run(
        proxy.setup,
        proxy.port,
        proxy.expert_port,
        prefix,
        rate=rate,
        calls=int(rate * SECONDS),
        seconds=SECONDS,
        ring_ms=RING_MS,
        drain=15,
    )
    return {
        "offered": round(told["begun"] / told["seconds"]),
        "done": told["done"] / told["seconds"],
        "refused": told["refused"].get("503", 0) / told["seconds"],
        "sent_again": told["resent"] / told["begun"],
        "dropped": (dropped(proxy.port) - dropped_before) / told["seconds"],
        "load_busy": told["busy"],
        "overrun": told["overrun"],
        "without_hash": told["without_hash"],
    }


def saturation(proxy, names):
    """The calls a second that are done when each call that ends makes room for the next."""

    def once():
        return calls.closed_loop(
            proxy.setup,
            proxy.port,
            proxy.expert_port,
            next(names),
            SECONDS,
            AT_ONCE,
            ring_ms=RING_MS,
        )["rate"]

    return stack.until_measured(once)


def middle(rows):
    """The report whose share is the median, with the least and the greatest share."""
    by_share = sorted(rows, key=lambda row: row["share"])
    return {
        **by_share[len(by_share) // 2],
        "share_min": by_share[0]["share"],
        "share_max": by_share[-1]["share"],
    }


def one_round(proxy, names):
    """A report of offer() for each part of saturation. Saturation is measured right before and
    after each: a machine whose speed changes from minute to minute changes them all."""
    rows = []
    before = saturation(proxy, names)
    for part in PARTS:
        row = offer(proxy, max(1, round(part * before)), next(names))
        if row["without_hash"]:
            raise SystemExit("bench: calls came to the expert without a witness hash")
        after = saturation(proxy, names)
        rate = (before + after) / 2
        rows.append({"part": part, "saturation": rate, "share": row["done"] / rate, **row})
        print(f"{rows[-1]}", flush=True)
        before = after
    return rows


def measure(setup):
    """{"saturation": calls/s, "shedding" and "no shedding": [the report of middle()]}."""
    names = (f"curve-{number}" for number in itertools.count())
    results = {"load_average_before": os.getloadavg()[0]}
    rates = []
    binary = setup.root / "target/release/ife-witnessd"
    with peers.Witness(binary, setup.work, setup.state_dir) as witness:
        witness.bind(0)
        for name, settings in SHEDDING.items():
            print(name, flush=True)
            with Proxy(setup, name, settings) as proxy:
                rounds = [one_round(proxy, names) for _ in range(ROUNDS[name])]
            rates += [row["saturation"] for rows in rounds for row in rows]
            results[name] = [middle(rows) for rows in zip(*rounds)]
    results |= {
        "saturation": statistics.median(rates),
        "saturation_min": min(rates),
        "saturation_max": max(rates),
        "load_average_after": os.getloadavg()[0],
    }
    return results


def goodput_ratio(results, name, part=GOODPUT_AT):
    """The share of saturation that is done at `part` times it, over the best share of all."""
    best = max(1.0, *(row["share"] for curve in SHEDDING for row in results[curve]))
    return next(row["share"] for row in results[name] if row["part"] == part) / best


def svg(results):
    """The curves as a picture: calls offered to the right, calls done upwards, both in parts of
    saturation."""
    width, height, margin = 640, 360, 50
    right = max(PARTS)
    top = max(1.1, *(row["share"] * 1.1 for name in SHEDDING for row in results[name]))

    def at(part, share):
        x = margin + part / right * (width - 2 * margin)
        return f"{x:.1f},{height - margin - share / top * (height - 2 * margin):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M{at(0, top)} L{at(0, 0)} L{at(right, 0)}" fill="none" stroke="black"/>',
        f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">calls offered / '
        "saturation</text>",
        f'<text x="16" y="{height / 2}" text-anchor="middle" transform="rotate(-90 16 '
        f'{height / 2})">calls done / saturation</text>',
    ]
    for part in PARTS:
        x, y = at(part, 0).split(",")
        parts.append(
            f'<text x="{x}" y="{float(y) + 16}" text-anchor="middle">{part:g}</text>'
        )
    for share in (0.25, 0.5, 0.75, 1.0):
        x, y = at(0, share).split(",")
        parts.append(
            f'<text x="{float(x) - 6}" y="{float(y) + 4}" text-anchor="end">{share:g}</text>'
        )
    for index, (name, colour) in enumerate(zip(SHEDDING, ("#1b6ca8", "#b33939"))):
        points = " ".join(at(row["part"], row["share"]) for row in results[name])
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
