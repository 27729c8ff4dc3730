#!/usr/bin/env python3
"""The bridge's benchmark: measures, prints a table, writes target/bench/bridge.json.

    run.py [--rounds N] [--calls N] [--legs N] [--only PART]

Everything runs on this machine: bridge, Kamailio, both Asterisks, ife-witnessd, sipp, and the
client that asks.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time

import bed

ROOT = pathlib.Path(__file__).resolve().parents[3]
# A phone rings in far less; what takes longer is a failure, and is reported as one.
RING_S_MAX = 30


class Rows(list):
    def row(self, name, value, unit, target=None, compared_with="", at_least=False):
        """A figure; `target` None means that it is there for comparison only."""
        passed = None if target is None else (value >= target if at_least else value <= target)
        self.append(
            {
                "name": name,
                "value": round(value, 3),
                "unit": unit,
                "target": target,
                "target_is": "at least" if at_least else "at most",
                "pass": passed,
                "compared_with": compared_with,
            }
        )


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ring(setup, prefix, at_once, rounds):
    """Per escalation: {step: ms since its POST was written}, rounds of so many at once."""
    asked = {}
    for number in range(rounds):
        posts = setup.escalations(f"{prefix}-{number:04d}", at_once)
        sockets = {trace: setup.connect() for trace in posts}
        for trace, post in posts.items():
            asked[trace] = time.time()
            sockets[trace].sendall(post)
        for trace, sock in sockets.items():
            status, told = bed.answer(sock)
            sock.close()
            if status not in (200, 201, 202):
                raise SystemExit(f"bench: {trace}: {status} {told}")
        setup.wait(
            lambda: all(call["sip_call_state"] == "ringing" for call in setup.live()),
            "phones to ring",
            RING_S_MAX,
        )
        setup.end_all()
    invited, rang = setup.moments("received", "INVITE "), setup.moments("sent", "SIP/2.0 180")
    missing = [trace for trace in asked if trace not in rang]
    if missing:
        raise SystemExit(
            f"bench: no 180 for {len(missing)} of {len(asked)} escalations, {missing[0]} among them"
        )
    return [
        {
            "INVITE": (invited[trace] - asked[trace]) * 1000,
            "180": (rang[trace] - asked[trace]) * 1000,
        }
        for trace in asked
    ]


def bench_ring(setup, rows, options):
    setup.tell("phone uas-ringing")
    ring(setup, "warm", 5, 2)
    for at_once, rounds, p50_max, p99_max in (
        (1, options.rounds * 10, 8.0, None),
        (50, options.rounds, None, 60.0),
    ):
        before = setup.cpu_ms()
        times = ring(setup, f"ring-{at_once}", at_once, rounds)
        spent = {
            part: (after - before[part]) / len(times) for part, after in setup.cpu_ms().items()
        }
        shown = (
            f"{len(times)} escalations, {at_once} at once, median of INVITE at the phone "
            f"{statistics.median(t['INVITE'] for t in times):.1f} ms"
        )
        rings = [t["180"] for t in times]
        rows.row(
            f"escalation to ringing, {at_once} at once: p50",
            statistics.median(rings),
            "ms",
            p50_max,
            shown,
        )
        rows.row(
            f"escalation to ringing, {at_once} at once: p99",
            percentile(rings, 0.99),
            "ms",
            p99_max,
            f"slowest {max(rings):.1f} ms",
        )
    parts = ", ".join(f"{part} {ms:.2f}" for part, ms in spent.items())
    rows.row(
        "CPU of an escalation that rings and is ended, 50 at once",
        sum(spent.values()),
        "ms",
        None,
        parts,
    )


def place(setup, count, rooms=1):
    """So many calls, all connected."""
    def one(number):
        body = {
            "expert_id": setup.expert,
            "hazard_type": "safety",
            "conversation_id": f"bench-{number % rooms}",
        }
        status, told = setup.ask("POST", "/v1/calls", body)
        if status not in (200, 201, 202):
            raise SystemExit(f"bench: call {number}: {status} {told}")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
        # A council does not escalate everything in one millisecond.
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    setup.wait(lambda: states(setup).get("connected", 0) == count, f"{count} connected calls")


def states(setup):
    found = {}
    for call in setup.live():
        found[call["sip_call_state"]] = found.get(call["sip_call_state"], 0) + 1
    return found


def bench_memory(setup, rows, options):
    setup.tell("phone uas")
    idle = setup.bridge_rss_mib()
    place(setup, 100, rooms=5)
    rows.row(
        "bridge memory with 100 live calls",
        setup.bridge_rss_mib(),
        "MiB",
        30.0,
        f"RSS; {idle:.1f} MiB before",
    )
    setup.end_all()


def churn(setup, count, at_once):
    """Calls from request to end, so many at once: the expert answers and hangs up."""
    left = iter(range(count))
    lock = threading.Lock()

    def worker():
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            body = {
                "expert_id": setup.expert,
                "hazard_type": "safety",
                "conversation_id": f"bench-{number % 5}",
            }
            status, told = setup.ask("POST", "/v1/calls", body)
            while status == 503:
                time.sleep(0.1)
                status, told = setup.ask("POST", "/v1/calls", body)
            if status not in (200, 201, 202):
                raise SystemExit(f"bench: {status} {told}")

    threads = [threading.Thread(target=worker) for _ in range(at_once)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    setup.wait(lambda: not setup.live(), "the calls to end", 120)
    return time.monotonic() - begun


def bench_churn(setup, rows, options):
    """Memory after each quarter of the calls."""
    setup.tell("phone uas-bye -d 100")
    quarter = options.calls // 4
    seconds, seen = 0.0, []
    for _ in range(4):
        seconds += churn(setup, quarter, 10)
        seen.append(setup.bridge_rss_mib())
    rows.row(
        f"bridge memory after {4 * quarter} calls - after {quarter}",
        seen[-1] - seen[0],
        "MiB",
        2.0,
        ", then ".join(f"{mib:.1f} MiB" for mib in seen),
    )
    rows.row(
        "calls from request to end",
        4 * quarter / seconds,
        "calls/s",
        None,
        "10 at once, answered and hung up after 0.1 s; includes the client in Python",
    )


def bench_legs(setup, rows, options):
    setup.tell("backend external_mcu")
    setup.tell("phone uas")
    before = [usage(setup.asterisk(name)) for name in ("gateway", "council")]
    begun = time.monotonic()
    place(setup, options.legs)
    seconds = time.monotonic() - begun
    time.sleep(5)
    held = sum(call["h323_state"] == "connected" for call in setup.live())
    after = [usage(setup.asterisk(name)) for name in ("gateway", "council")]
    rows.row(
        "H.323 legs held",
        held,
        "legs",
        60,
        f"each with its SIP leg, all connected {seconds:.1f} s after the first request, held for "
        "5 s",
        at_least=True,
    )
    for name, old, new in zip(("gateway", "council"), before, after):
        for what, unit in (("threads", "threads"), ("files", "descriptors"), ("rss_mib", "MiB")):
            rows.row(
                f"{name}'s Asterisk per leg: {what}",
                (new[what] - old[what]) / max(held, 1),
                unit,
                None,
                f"{old[what]:.0f}, then {new[what]:.0f}",
            )
    setup.end_all()
    setup.tell("backend confbridge")


def usage(pid):
    proc = pathlib.Path(f"/proc/{pid}")
    rss = next(
        line for line in (proc / "status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return {
        "threads": len(list((proc / "task").iterdir())),
        "files": len(list((proc / "fd").iterdir())),
        "rss_mib": int(rss.split()[1]) / 1024,
    }


def bench_decode(_, rows, options):
    command = ["cargo", "bench", "--quiet", "--locked", "-p", "ife-ami", "--bench", "decode"]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, check=True, timeout=1200)
    names = {
        "ami_decode": "AMI decoding, one core",
        "ami_session": "AMI session, one core",
        "ami_session_and_model": "AMI session and model, one core",
        "ami_lost_events": "AMI events lost in the session",
    }
    for line in json.loads(done.stdout):
        if line["name"] in names:
            rows.row(
                names[line["name"]],
                line["value"],
                line["unit"],
                line.get("target"),
                "a recording of Asterisk 22",
                at_least=line["unit"] == "events/s",
            )


def print_table(rows):
    marks = {True: "ok", False: "MISSED", None: ""}
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        target = "" if row["target"] is None else f"{row['target_is']} {row['target']:g}"
        print(
            f"{row['name']:<{width}}  {row['value']:>12,.3f} {row['unit']:<11} {target:<18} "
            f"{marks[row['pass']]:<7} {row['compared_with']}"
        )


# Memory first: live calls are weighed in a bridge that has had none.
PARTS = {
    "memory": bench_memory,
    "ring": bench_ring,
    "legs": bench_legs,
    "churn": bench_churn,
    "decode": bench_decode,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rounds",
        type=int,
        default=20,
        help="rounds of 50 escalations at once; ten times as many single ones (default 20)",
    )
    parser.add_argument(
        "--calls",
        type=int,
        default=20_000,
        help="calls from request to end, for the growth of memory (default 20000)",
    )
    parser.add_argument("--legs", type=int, default=60, help="H.323 legs to hold (default 60)")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="one part; may be given again"
    )
    options = parser.parse_args()
    if os.getuid() != 0:
        raise SystemExit("bench: Asterisk's root is entered by chroot, which only root can do")
    work = ROOT / "target" / "bench" / "bridge"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    rows = Rows()
    with bed.Bed(work, "confbridge") as setup:
        for name in options.only or PARTS:
            print(f"measuring: {name}", file=sys.stderr)
            PARTS[name](setup, rows, options)
        suite = setup.suite
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the end, "
        f"Asterisk of Debian {suite}\n"
    )
    print_table(rows)
    out = ROOT / "target" / "bench" / "bridge.json"
    out.write_text(json.dumps(rows, indent=1) + "\n")
    missed = [row["name"] for row in rows if row["pass"] is False]
    print(
        f"\n{out.relative_to(ROOT)} written; {len(missed)} targets missed"
        + "".join(f"\n  {name}" for name in missed)
    )


if __name__ == "__main__":
    main()
