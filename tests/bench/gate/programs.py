"""Benchmarks inside one process: the crates' own examples, whose JSON lines are read here."""

import json
import subprocess


def run(setup, package, example, *args, features=()):
    """The JSON lines that an example prints; it is built in release mode first."""
    command = ["cargo", "run", "--quiet", "--release", "--locked", "-p", package, "--example", example]
    if features:
        command += ["--features", ",".join(features)]
    done = subprocess.run(
        [*command, "--", *map(str, args)], stdout=subprocess.PIPE, cwd=setup.root, check=True, timeout=1200
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]


def pick(lines, **wanted):
    """The one line that has these members."""
    found = [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]
    if len(found) != 1:
        raise SystemExit(f"bench: {len(found)} lines with {wanted} in {lines}")
    return found[0]
