"""One producer that waits for each entry to be on disk, beside a JSONL file with fdatasync per line
and SQLite that syncs each commit.
"""

import functools
import json
import os
import sqlite3
import statistics
import subprocess
import time

ENTRIES = 1_500
# In turns, so that a drift of the disk's speed hits all alike.
ROUNDS = 5
LINE = json.dumps({"v": 1, "event": "INVITE", "detail": "x" * 300})


def witness(setup, number, feed):
    command = [
        feed,
        "--state-dir",
        setup.state_dir,
        "--producer",
        f"waiter-{number}",
        "--count",
        str(ENTRIES),
        "--bytes",
        "300",
        "--each",
    ]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout.count("\n")
    return done / (time.monotonic() - begun)


def jsonl(setup, number):
    with open(setup.work / f"lines-{number}.jsonl", "ab", buffering=0) as file:
        begun = time.monotonic()
        for _ in range(ENTRIES):
            file.write(LINE.encode() + b"\n")
            os.fdatasync(file.fileno())
        return ENTRIES / (time.monotonic() - begun)


def sqlite(setup, number):
    base = sqlite3.connect(setup.work / f"lines-{number}.sqlite", isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("CREATE TABLE entries (line TEXT)")
    begun = time.monotonic()
    for _ in range(ENTRIES):
        base.execute("INSERT INTO entries VALUES (?)", (LINE,))
    rate = ENTRIES / (time.monotonic() - begun)
    base.close()
    return rate


def measure(setup, feed):
    """Entries/s of each: {name: [one value per round]}."""
    ways = {"witness": functools.partial(witness, feed=feed), "JSONL": jsonl, "SQLite": sqlite}
    rounds = {name: [] for name in ways}
    for number in range(ROUNDS):
        for name, way in ways.items():
            rounds[name].append(way(setup, number))
    return {name: statistics.median(values) for name, values in rounds.items()}, rounds
