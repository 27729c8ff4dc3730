"""Copies a growing log with the command that docs/operations.md gives; each copy must verify, also
one gone on with after a kill.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import time

import witness

COPIES = 9 if witness.SHORT else 120
FEEDERS = 3


def recipe(log, vkey, to):
    """The documented command, with these paths."""
    page = pathlib.Path(witness.os.environ["IFE_ROOT"], "docs/operations.md").read_text()
    words = re.search(r"^ifectl (witness copy .*)$", page, re.M)[1].split()
    for option, path in (("--log", log), ("--vkey", vkey), ("--to", to)):
        words[words.index(option) + 1] = str(path)
    return [str(witness.BIN / "ifectl"), *words]


def one(host, to, kind):
    """A copy; its fault."""
    command = recipe(host.log, host.disk / "vkey", to)
    if kind == "after a kill":
        cut = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(witness.RNG.uniform(0.001, 0.05))
        cut.kill()
        cut.wait()
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if run.returncode != 0:
        return f"copying ended with {run.returncode}: {run.stderr.strip()[-200:]}"
    check = witness.verify(to, host.disk / "vkey")
    left = [str(p) for p in to.rglob("*.new-*")]
    return check.stderr.strip()[-200:] or (f"left behind: {left[:2]}" if left else "")


def size_of(log):
    return int((log / "checkpoint").read_text().split("\n")[1])


def main():
    host = witness.Host("log-copies")
    process = host.writer()
    pid = host.running_pid(process)
    # A pipe that is not read fills up, and the log would stop growing.
    more = ("--each", "--bytes", "100")
    feeders = [host.feed(f"feed-{n}", *more, out=subprocess.DEVNULL) for n in range(FEEDERS)]
    time.sleep(1)
    begun = size_of(host.log)
    kinds = {"fresh": [], "resumed": [], "after a kill": []}
    last = host.disk / "copy"
    for number in range(10 * COPIES):
        # The log must have grown under the copies; a busy machine publishes late.
        if number >= COPIES and size_of(host.log) > begun:
            break
        kind = list(kinds)[number % len(kinds)]
        if kind == "fresh":
            shutil.rmtree(last, ignore_errors=True)
        kinds[kind].append(one(host, last, kind))
    grown = size_of(host.log) - begun
    for feeder in feeders:
        feeder.terminate()
        feeder.wait()
    witness.stop(process, pid)
    host.remove()
    for kind, outcomes in kinds.items():
        wrong = [words for words in outcomes if words]
        note = f"the log grew by {grown:,} entries meanwhile"
        note += f"; {len(wrong)} do not verify: {wrong[0]}" if wrong else ""
        witness.result(
            f"copies of a growing log, {kind}",
            len(outcomes),
            len(wrong),
            0,
            not wrong and grown > 100,
            note,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
