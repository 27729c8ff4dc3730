"""Benchmarks inside one process: the crates' own benches, whose JSON lines are read here."""

import functools
import json
import subprocess


BENCHES = (("ife-policy-ffi", "gate"), ("ife-guard", "decide"), ("ife-witness", "witness"))
TOOLS = ("sip_load", "synth_log", "witness_feed")


def build(setup):
    """Builds all of them, so that no compiler runs between two measurements."""
    for package, name in BENCHES:
        subprocess.run([*bench_command(package, name), "--no-run"], cwd=setup.root, check=True)
    for name in TOOLS:
        tool(setup, name)


def bench_command(package, name):
    return ["cargo", "bench", "--quiet", "--locked", "-p", package, "--bench", name]


def bench(setup, package, name, *args):
    """The JSON lines that a bench prints."""
    return lines_of(setup, [*bench_command(package, name), "--", *args])


@functools.cache
def tool(setup, name):
    """The path of a program of tests/tools; it is built in release mode first."""
    build = [setup.root / "tests/tools/build", name, "--release"]
    return subprocess.run(
        build, stdout=subprocess.PIPE, text=True, check=True, timeout=1200
    ).stdout.strip()


def lines_of(setup, command):
    done = subprocess.run(
        [*map(str, command)], stdout=subprocess.PIPE, cwd=setup.root, check=True, timeout=1200
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]


def pick(lines, **wanted):
    """The one line that has these members."""
    found = [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]
    if len(found) != 1:
        raise SystemExit(f"bench: {len(found)} lines with {wanted} in {lines}")
    return found[0]
