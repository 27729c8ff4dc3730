#!/usr/bin/env python3
"""The evidence server's benchmark: measures, prints a table, writes target/bench/evidence.json.

    run.py [--mib N] [--rounds N] [--loads N] [--sessions N] [--pings N]

Throughput is compared with Chromium to Chromium in the same run, with the same window and work at
the receiver, in chunks of 16 KiB, as the bridge sends them, and of 64 KiB. Needs root, as the test
bed does.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]


def row(name, value, unit, target=None, compared_with="", at_least=False):
    passed = None if target is None else (value >= target if at_least else value <= target)
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "target": target,
        "target_is": "at least" if at_least else "at most",
        "pass": passed,
        "compared_with": compared_with,
    }


def measure(options):
    """The figures of measure.sh by their names."""
    counts = [options.mib, options.rounds, options.loads, options.sessions, options.pings]
    command = [ROOT / "tests/bench/evidence/measure.sh", *map(str, counts)]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, timeout=900)
    if done.returncode:
        sys.exit("the measurement failed, see above")
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


def spread(values):
    return f"median of {len(values)}, {min(values):.1f} to {max(values):.1f}"


def rows_of_speed(browser, mib):
    bridge, chromium, chromium_64 = (browser[way] for way in ("bridge", "chromium", "chromium_64"))
    ratios = [ours / theirs for ours, theirs in zip(bridge, chromium)]
    best = max((chromium, chromium_64), key=statistics.median)
    to_best = [ours / theirs for ours, theirs in zip(bridge, best)]
    return [
        row(
            "bridge to Chromium",
            statistics.median(bridge),
            "MiB/s",
            compared_with=f"{spread(bridge)}; {mib} MiB, loopback",
        ),
        row(
            "Chromium to Chromium, chunks of 16 KiB",
            statistics.median(chromium),
            "MiB/s",
            compared_with=spread(chromium),
        ),
        row(
            "Chromium to Chromium, chunks of 64 KiB",
            statistics.median(chromium_64),
            "MiB/s",
            compared_with=spread(chromium_64),
        ),
        row(
            "bridge to Chromium / Chromium to Chromium, the same chunks",
            statistics.median(ratios),
            "x",
            compared_with=f"{spread(ratios)}, in turns",
        ),
        row(
            "bridge to Chromium / Chromium to Chromium, its best chunks",
            statistics.median(to_best),
            "x",
            1.2,
            f"{spread(to_best)}, in turns",
            at_least=True,
        ),
    ]


def rows_of(seen, options):
    loads = sorted(seen["browser"]["first_byte_ms"])
    p99 = loads[min(len(loads) - 1, int(len(loads) * 0.99))]
    ping, idle, large = seen["ping"], seen["idle"], seen["large"]
    return [
        *rows_of_speed(seen["browser"], options.mib),
        row(
            "first byte after the page's load, p99",
            p99,
            "ms",
            300,
            f"{len(loads)} loads, median {statistics.median(loads):.0f}",
        ),
        row(
            "IFMessage there and back, p95",
            ping["p95_ms"],
            "ms",
            5,
            f"{ping['count']} in a row, median {ping['p50_ms']:.2f}, p99 {ping['p99_ms']:.2f}",
        ),
        row(
            "memory per idle session",
            idle["kib"],
            "KiB",
            256,
            f"{idle['sessions']} open at once, resident",
        ),
        row(
            "memory that 500 MiB add",
            large["grown_kib"] / 1024,
            "MiB",
            8,
            f"high water; {large['mib_per_s']:.0f} MiB/s to an agent",
        ),
    ]


def print_table(rows):
    marks = {True: "ok", False: "MISSED", None: ""}
    width = max(len(one["name"]) for one in rows)
    for one in rows:
        target = "" if one["target"] is None else f"{one['target_is']} {one['target']:g}"
        print(
            f"{one['name']:<{width}}  {one['value']:>10,.3f} {one['unit']:<6} {target:<14} "
            f"{marks[one['pass']]:<7} {one['compared_with']}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--mib", type=int, default=64, help="size of the file for Chromium (default 64)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="transfers each way (default 3)")
    parser.add_argument(
        "--loads", type=int, default=100, help="page loads for the first byte (default 100)"
    )
    parser.add_argument(
        "--sessions", type=int, default=50, help="sessions open at once (default 50)"
    )
    parser.add_argument(
        "--pings", type=int, default=2_000, help="messages there and back (default 2000)"
    )
    options = parser.parse_args()
    rows = rows_of(measure(options), options)
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the end\n"
    )
    print_table(rows)
    out = ROOT / "target" / "bench" / "evidence.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")
    missed = [one["name"] for one in rows if one["pass"] is False]
    print(
        f"\n{out.relative_to(ROOT)} written; {len(missed)} targets missed"
        + "".join(f"\n  {name}" for name in missed)
    )


if __name__ == "__main__":
    main()
