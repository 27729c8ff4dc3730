"""Kills the writer and its producers at random moments; an acknowledged entry is in the log, once.

The log is checked whole after every hundred kills and at the end: it verifies, so each number that
a producer
used up is an entry or in a GAP, and it holds each acknowledged entry once.
"""

import collections
import sys
import time

import witness

KILLS = 40 if witness.SHORT else 1000
BETWEEN_CHECKS = 100
FEEDERS = 3

Running = collections.namedtuple("Running", "name process")


class Load:
    """Producers that feed until they are killed; each has a successor of the same name."""

    def __init__(self, host):
        self.host = host
        self.feeders = [self.start(f"feed-{n}") for n in range(FEEDERS)]

    def start(self, name):
        # A file, not a pipe: it takes the producer's output without a reader.
        path = self.host.disk / f"{name}.out"
        with open(path, "wb") as out:
            return Running(name, self.host.feed(name, "--each", "--bytes", "50", out=out))

    def end(self, which):
        """Kills one; keeps the entries acknowledged to it."""
        name, process = self.feeders[which]
        process.kill()
        process.wait()
        self.host.keep(name, (self.host.disk / f"{name}.out").read_text())

    def replace(self, which):
        self.end(which)
        self.feeders[which] = self.start(self.feeders[which].name)

    def stop(self):
        for which in range(FEEDERS):
            self.end(which)


def started(host):
    process = host.writer()
    pid = host.running_pid(process)
    if pid is None:
        raise SystemExit(f"the writer ended with {process.returncode}: {process.communicate()[1]}")
    return process, pid


def torment(host, kills, counts):
    """One stretch between two checks: the fault at its end."""
    load = Load(host)
    process, pid = started(host)
    for _ in range(kills):
        time.sleep(witness.RNG.uniform(0, 0.08))
        victim = witness.RNG.choice(("writer", "producer", "both"))
        counts[victim] += 1
        if victim != "producer":
            process.kill()
            process.communicate()
        if victim != "writer":
            load.replace(witness.RNG.randrange(FEEDERS))
        if victim != "producer":
            process, pid = started(host)
    load.stop()
    code, said = witness.stop(process, pid)
    return "" if code == 0 else f"the last writer ended with {code}: {said[-200:]}"


def main():
    host = witness.Host("log-kills")
    counts, wrong, lost, doubled = collections.Counter(), [], 0, 0
    begun = 0
    while begun < KILLS:
        stretch = min(BETWEEN_CHECKS, KILLS - begun)
        begun += stretch
        wrong.append(torment(host, stretch, counts))
        verified, less, more, words = host.check()
        lost, doubled = lost + less, doubled + more
        wrong.append("" if verified else words)
    acknowledged = sum(len(marks) for marks in host.acknowledged.values())
    wrong = [words for words in wrong if words]
    ok = not wrong and not lost and not doubled and acknowledged > KILLS
    killed = ", ".join(f"{count} of {victim}" for victim, count in sorted(counts.items()))
    note = "; ".join([killed, f"{acknowledged:,} entries were acknowledged", *wrong[:2]])
    witness.result("kill -9 of the writer, a producer, or both", KILLS, lost, doubled, ok, note)
    host.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
