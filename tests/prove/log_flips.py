"""Changes one bit of one file: verification refuses a public file; the writer refuses a private
one, or loses nothing by it.
"""

import sys

import witness

FLIPS = 40 if witness.SHORT else 800
ENTRIES = 700


def flip(path):
    data = bytearray(path.read_bytes())
    bit = witness.RNG.randrange(len(data) * 8)
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    return f"bit {bit} of {path.name}"


def files(*roots):
    found = (p for root in roots for p in ([root] if root.is_file() else root.rglob("*")))
    return sorted(p for p in found if p.is_file() and p.stat().st_size > 0)


def make(host):
    """A log whose writer was stopped, published to its end, with entries in a ring that came since;
    and all of its files.
    """
    process = host.writer()
    pid = host.running_pid(process)
    host.note("feed-0", host.feed("feed-0", "--count", str(ENTRIES)))
    witness.stop(process, pid)
    host.note("feed-1", host.feed("feed-1", "--count", "200", wait_ms=50))
    host.save()


def public(host, rounds):
    """Flips in what verifiers read."""
    tiles = files(host.log / "tile", host.log / "checkpoint", host.disk / "vkey")
    wrong = []
    for _ in range(rounds):
        path = witness.RNG.choice(tiles)
        kept = path.read_bytes()
        what = flip(path)
        if witness.verify(host.log, host.disk / "vkey").returncode == 0:
            wrong.append(what)
        path.write_bytes(kept)
    return wrong


def private(host, rounds):
    """Flips in files that the writer alone reads: (wrong, lost, doubled, how often it refused)."""
    wrong, lost, doubled, refused = [], 0, 0, 0
    for _ in range(rounds):
        acknowledged = {name: list(marks) for name, marks in host.acknowledged.items()}
        host.restore()
        host.acknowledged = acknowledged
        names = ("key", "key.begun", "cosigner", "log/private")
        path = witness.RNG.choice(
            files(*(host.disk / name for name in names), host.memory / "rings")
        )
        what = flip(path)
        process = host.writer()
        pid = host.running_pid(process)
        if pid is None:
            code, said = process.wait(), process.communicate()[1].decode(errors="replace")
            refused += 1
            if code != 3 or not said:
                wrong.append(f"{what}: exit {code}: {said.strip()[-200:]}")
            continue
        code, said = witness.stop(process, pid)
        verified, less, more, words = host.check()
        lost, doubled = lost + less, doubled + more
        if code != 0 or not verified:
            wrong.append(f"{what}: exit {code}, {words} {said.strip()[-200:]}")
    return wrong, lost, doubled, refused


def main():
    host = witness.Host("log-flips")
    make(host)
    wrong = public(host, FLIPS)
    witness.result(
        "one bit of a public file changed",
        FLIPS,
        0,
        0,
        not wrong,
        "; ".join(wrong[:2]) or "each refused by ifectl",
    )
    wrong, lost, doubled, refused = private(host, FLIPS // 4)
    note = f"{refused} starts refused with 3, the others lost nothing"
    ok = not wrong and not lost and not doubled
    witness.result(
        "one bit of a private file or a ring changed",
        FLIPS // 4,
        lost,
        doubled,
        ok,
        "; ".join(wrong[:2]) or note,
    )
    host.forget_saved()
    host.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
