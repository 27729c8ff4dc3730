"""Benchmarks inside one process: the crates' own benches, whose JSON lines are read here."""

import json
import subprocess


def bench(setup, package, name, *args):
    """The JSON lines that a bench prints."""
    return lines_of(
        setup,
        ["cargo", "bench", "--quiet", "--locked", "-p", package, "--bench", name, "--", *args],
    )


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
