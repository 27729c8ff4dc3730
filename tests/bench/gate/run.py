#!/usr/bin/env python3
"""The gate's benchmark: measures, prints a table, writes target/bench/gate.json.

    run.py [--calls N] [--rounds N] [--only PART] [--big-log ENTRIES] [--lookup-log ENTRIES]

Every figure that has a target is a ratio taken in this run, or is compared with the machine's own
disk or CPU measured in this run.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import curve
import large
import peers
import programs
import saturation
import signing
import waiter
import waits

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Setup:
    """Directories of one run, the keys of its callers, and the rows measured so far."""

    def __init__(self, calls, big_log, lookup_log):
        self.root = ROOT
        self.calls = calls
        self.big_log = big_log
        self.lookup_log = lookup_log
        self.work = ROOT / "target" / "bench" / "gate"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.state_dir = None
        self.signer = signing.Signer()
        self.rows = []

    def cfg_values(self):
        modules = subprocess.run(
            ["dpkg", "-L", "kamailio"], capture_output=True, text=True, check=True
        ).stdout
        directory = next(
            line.rsplit("/", 1)[0] for line in modules.splitlines() if line.endswith("/tm.so")
        )
        return {
            "MPATH": f"{directory}/:{ROOT}/target/module/",
            "REGISTRY": str(self.work / "registry.yaml"),
            "STATE_DIR": str(self.state_dir),
            "PYTHON_CHECK": str(pathlib.Path(__file__).resolve().parent / "python_check.py"),
            "PASSPORT_KEY": self.signer.passport_public_pem().decode(),
        }

    def row(self, name, value, unit, target=None, compared_with="", at_least=False):
        """A figure; `target` None means that it is there for comparison only."""
        passed = None if target is None else (value >= target if at_least else value <= target)
        self.rows.append(
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


def bench_peers(setup):
    with peers.Witness(ROOT / "target/release/ife-witnessd", setup.work, setup.state_dir):
        cpu, rounds = peers.measure(setup, setup.calls)
    floor = cpu["none"]
    verify = (
        programs.pick(programs.bench(setup, "ife-policy-ffi", "gate"), name="verify_strict alone")[
            "value"
        ]
        / 1000
    )
    for name, value in cpu.items():
        spread = (
            f"median of {len(rounds[name])} rounds, {min(rounds[name]):.1f} to "
            f"{max(rounds[name]):.1f}"
        )
        setup.row(f"worker CPU per INVITE: {name}", value, "us", compared_with=spread)
    setup.row(
        "one verify_strict of ed25519-dalek",
        verify,
        "us",
        compared_with="same run, generic x86-64 build",
    )
    beside = peers.verify_beside_load_us(setup, setup.calls)
    setup.row(
        "one verify_strict, 2,000 a second beside that load",
        beside,
        "us",
        compared_with="what the machine makes of the same code",
    )
    added = cpu["gate"] - floor
    setup.row(
        "added CPU, approved / verify_strict",
        added / verify,
        "x",
        1.0,
        f"{added:.1f} us over no check / {verify:.1f} us",
    )
    early = cpu["gate refused before crypto"] - floor
    setup.row(
        "added CPU, refused before crypto / verify_strict",
        early / verify,
        "x",
        0.12,
        f"{early:.1f} us over no check / {verify:.1f} us",
    )
    setup.row(
        "added CPU, approved / verify_strict beside the load",
        added / beside,
        "x",
        compared_with=f"{added:.1f} us / {beside:.1f} us",
    )
    setup.row(
        "added CPU, refused before crypto / verify_strict beside the load",
        early / beside,
        "x",
        compared_with=f"{early:.1f} us / {beside:.1f} us",
    )
    for peer in ("app_python3", "secsipid"):
        setup.row(
            f"added CPU, {peer} / gate",
            (cpu[peer] - floor) / added,
            "x",
            1.0,
            f"{cpu[peer] - floor:.1f} us / {added:.1f} us",
            at_least=True,
        )


def bench_in_process(setup):
    lines = programs.bench(setup, "ife-policy-ffi", "gate")
    for case in (
        "check, approved",
        "check and one witness_log, approved",
        "check, refused by registry",
        "check, refused by hazard",
    ):
        empty, full = (
            programs.pick(lines, name=f"{case}, replay table {fill} % full")["value"]
            for fill in (0, 90)
        )
        setup.row(
            f"{case}: replay table 90 % full / empty",
            full / empty,
            "x",
            1.1,
            f"{full} ns / {empty} ns",
        )
    lines = programs.bench(setup, "ife-guard", "decide", 10, large.EXPERTS)
    for case in sorted({line["case"] for line in lines if line["name"] == "decide"}):
        few, many = (
            programs.pick(lines, name="decide", case=case, experts=count)["value"]
            for count in (10, large.EXPERTS)
        )
        setup.row(
            f"decide(), {case.replace('_', ' ')}: 100,000 experts / 10",
            many / few,
            "x",
            1.2,
            f"{many:.0f} ns / {few:.0f} ns",
        )


def bench_large(setup):
    with peers.Witness(ROOT / "target/release/ife-witnessd", setup.work, setup.state_dir):
        result = large.measure(setup)
    setup.row(
        "worker's private memory, 100,000 experts - 10", result["memory_growth_mib"], "MiB", 2.0
    )
    setup.row("reload of 100,000 experts", result["reload_s"], "s", 2.0)
    rounds = ", ".join(f"{value:.1f}" for value in result["reload_added_ms_rounds"])
    setup.row(
        "slowest INVITE during a reload - without",
        result["reload_added_ms"],
        "ms",
        5.0,
        f"median of {rounds}",
    )


def overrun_of(row):
    """A warning when the load was too slow to read its datagrams."""
    lost = row["overrun"]
    return f"; NO MEASUREMENT: the load lost {lost} datagrams itself" if lost else ""


def bench_curve(setup):
    results = curve.measure(setup)
    curve.write(results, ROOT / "target" / "bench")
    loads = (
        f"load average {results['load_average_before']:.1f} before, "
        f"{results['load_average_after']:.1f} after"
    )
    setup.row(
        "whole calls at saturation",
        results["saturation"],
        "calls/s",
        compared_with=(
            f"median, {results['saturation_min']:.0f} to {results['saturation_max']:.0f}; {loads}"
        ),
    )
    for name in curve.SHEDDING:
        for row in results[name]:
            label = f"done at {row['part']:g} times saturation / saturation, {name}"
            setup.row(
                label,
                row["share"],
                "x",
                compared_with=(
                    f"{row['share_min']:.2f} to {row['share_max']:.2f}; {row['done']:.0f} of "
                    f"{row['offered']} a second, saturation {row['saturation']:.0f}, "
                    f"503 {row['refused']:.0f}, dropped {row['dropped']:.0f}/s by the kernel, "
                    f"sent again {row['sent_again']:.2f} a call"
                    f"{overrun_of(row)}"
                ),
            )
    ratio = curve.goodput_ratio(results, "shedding")
    setup.row(
        "goodput at 2 times saturation / best",
        ratio,
        "x",
        curve.GOODPUT_MIN,
        "target/bench/load-curve.svg",
        at_least=True,
    )
    setup.row("the same without shedding", curve.goodput_ratio(results, "no shedding"), "x")


def bench_saturation(setup):
    results = saturation.measure(setup, peers.ROUNDS)
    for name, row in results.items():
        detail = (
            f"median of {len(row['rates'])} rounds, {min(row['rates']):.0f} to "
            f"{max(row['rates']):.0f}; {row['cpu_us']:.0f} us of CPU a call, its CPU busy "
            f"{row['cpu_us'] * row['rate'] / 1e6:.2f}, that of the load {row['load_busy']:.2f}"
        )
        setup.row(f"calls/s of one worker: {name}", row["rate"], "calls/s", compared_with=detail)
    none, gate = results["none"], results["gate"]
    for peer in ("app_python3", "secsipid"):
        ratio = gate["rate"] / results[peer]["rate"]
        setup.row(f"calls/s of one worker, gate / {peer}", ratio, "x", 1.0, at_least=True)
    setup.row(
        "calls/s of one worker, gate / none",
        gate["rate"] / none["rate"],
        "x",
        0.4,
        f"by CPU per call {none['cpu_us'] / gate['cpu_us']:.2f}",
        at_least=True,
    )


# Rows of the witness's own benchmark in which more is better.
RATES = {"witness_durable_per_cpu_s", "witness_durable_per_cpu_s_big"}


def bench_witness(setup):
    directory = setup.work / "log"
    logs = ["--big-log", setup.big_log, "--lookup-log", setup.lookup_log]
    for line in programs.bench(setup, "ife-witness", "witness", "--dir", setup.work, *logs):
        setup.rows.append({**line, "target_is": "at least" if line["name"] in RATES else "at most"})
    lines = programs.lines_of(
        setup, [programs.tool(setup, "synth_log"), directory, 1_000_000, "--verify", 1]
    )
    rate = next(line["entries_per_cpu_s"] for line in lines if "entries_per_cpu_s" in line)
    setup.row(
        "ifectl witness verify, one core",
        rate,
        "entries/s",
        500_000,
        "1,000,000 entries of 500 bytes, per CPU second",
        at_least=True,
    )
    shutil.rmtree(directory, ignore_errors=True)


def bench_waiter(setup):
    with peers.Witness(ROOT / "target/release/ife-witnessd", setup.work, setup.state_dir):
        rates, rounds = waiter.measure(setup, programs.tool(setup, "witness_feed"))
    for name, rate in rates.items():
        spread = (
            f"median of {len(rounds[name])} rounds, {min(rounds[name]):.0f} to "
            f"{max(rounds[name]):.0f}"
        )
        setup.row(f"one waiting producer: {name}", rate, "entries/s", compared_with=spread)
    for peer in ("JSONL", "SQLite"):
        ratio = rates["witness"] / rates[peer]
        setup.row(
            f"one waiting producer, witness / {peer} that syncs each entry",
            ratio,
            "x",
            1.0,
            f"{rates['witness']:.0f} / {rates[peer]:.0f}",
            at_least=True,
        )


def bench_waits(setup):
    rates, rounds = waits.measure(setup)
    for way, rate in rates.items():
        spread = (
            f"median of {len(rounds[way])} rounds, {min(rounds[way]):.0f} to {max(rounds[way]):.0f}"
        )
        label = f"calls, sync of {waits.SYNC_MS} ms, {way}"
        setup.row(label, rate, "calls/s", compared_with=spread)
    setup.row(
        f"calls, sync of {waits.SYNC_MS} ms: waiting / not waiting",
        rates["waiting"] / rates["not waiting"],
        "x",
        0.9,
        f"{rates['waiting']:.0f} / {rates['not waiting']:.0f}",
        at_least=True,
    )


def print_table(rows):
    marks = {True: "ok", False: "MISSED", None: ""}
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        target = "" if row["target"] is None else f"{row['target_is']} {row['target']:g}"
        print(
            f"{row['name']:<{width}}  {row['value']:>12,.3f} {row['unit']:<9} {target:<18} "
            f"{marks[row['pass']]:<7} {row['compared_with']}"
        )


PARTS = {
    "peers": bench_peers,
    "saturation": bench_saturation,
    "process": bench_in_process,
    "large": bench_large,
    "curve": bench_curve,
    "witness": bench_witness,
    "waiter": bench_waiter,
    "waits": bench_waits,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--calls",
        type=int,
        default=8_000,
        help="INVITEs per configuration and round (default 8000)",
    )
    parser.add_argument(
        "--big-log",
        type=int,
        default=1_000_000,
        metavar="ENTRIES",
        help=(
            "size of the log that an empty one is compared with (default 1000000; 10000000 takes "
            "8 GB and some minutes more)"
        ),
    )
    parser.add_argument(
        "--lookup-log",
        type=int,
        default=1_000_000,
        metavar="ENTRIES",
        help=(
            "size of the log in which traces are looked up (default 1000000; 10000000 takes 5 GB)"
        ),
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=peers.ROUNDS,
        help=f"rounds over all configurations (default {peers.ROUNDS})",
    )
    parser.add_argument(
        "--only",
        choices=PARTS,
        action="append",
        help="one part; may be given again. Its figures go to gate-PART.json",
    )
    parser.add_argument(
        "--build-only", action="store_true", help="build all that is measured, and end"
    )
    options = parser.parse_args()
    peers.ROUNDS = options.rounds
    setup = Setup(options.calls, options.big_log, options.lookup_log)
    if options.build_only or not options.only:
        programs.build(setup)
    if options.build_only:
        return
    out = ROOT / "target" / "bench" / f"{'-'.join(['gate', *(options.only or [])])}.json"
    for name in options.only or PARTS:
        begun = time.monotonic()
        print(f"measuring: {name}", file=sys.stderr)
        # A replay table of its own for each.
        with tempfile.TemporaryDirectory(prefix="if-escalate-bench-", dir="/dev/shm") as state_dir:
            setup.state_dir = pathlib.Path(state_dir)
            PARTS[name](setup)
        out.write_text(json.dumps(setup.rows, indent=1) + "\n")
        print(f"{name} took {time.monotonic() - begun:.0f} s", file=sys.stderr)
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the end\n"
    )
    print_table(setup.rows)
    missed = [row["name"] for row in setup.rows if row["pass"] is False]
    print(
        f"\n{out.relative_to(ROOT)} written; {len(missed)} targets missed"
        + "".join(f"\n  {name}" for name in missed)
    )


if __name__ == "__main__":
    main()
