"""Makes each system call of ifectl fail, or kills it there, where it writes a file: the file is the
old one, the new one, or not there.
"""

import collections
import re
import shutil
import subprocess
import sys

import witness

CALLS = {
    "openat": ("EIO", "ENOSPC", "EMFILE"),
    "write": ("EIO", "ENOSPC"),
    "fsync": ("EIO",),
    "rename": ("EIO", "ENOSPC"),
    "linkat": ("EIO",),
    "unlink": ("EIO",),
    "fchmod": ("EIO",),
    "mkdir": ("ENOSPC",),
}


def strace(out, names, spec=""):
    inject = ["-e", f"inject={spec}"] if spec else []
    return ["strace", "-f", "-qq", "-o", str(out), "-e", f"trace={names}", *inject]


def run(command, wrapper=()):
    return subprocess.run(
        [*wrapper, *map(str, command)], capture_output=True, timeout=60, check=False
    )


def whole(path):
    """The files below `path` with their bytes, without those of a killed process beside them."""
    names = sorted(p for p in path.rglob("*") if p.is_file())
    return {str(p.relative_to(path)): p.read_bytes() for p in names if ".new-" not in p.name}


def torment(name, command, room, is_random=False):
    """One command that writes into `room`, with a fault at each of its calls."""
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    trace = room.parent / "trace"
    assert run(command, strace(trace, ",".join(CALLS))).returncode == 0, name
    good = whole(room)
    counts = collections.Counter(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.M))
    cases = [
        (call, number, error)
        for call, errors in CALLS.items()
        for number in range(1, counts[call] + 1)
        for error in (*errors, "KILL")
    ]
    if witness.SHORT:
        cases = witness.RNG.sample(cases, min(12, len(cases)))
    wrong = []
    for call, number, error in cases:
        shutil.rmtree(room)
        room.mkdir()
        kind = "signal=KILL" if error == "KILL" else f"error={error}"
        code = run(command, strace("/dev/null", call, f"{call}:{kind}:when={number}")).returncode
        # A key is another one each time: its length is what shows a part of it.
        parts = [
            f
            for f, data in whole(room).items()
            if (len(data) != len(good[f]) if is_random else data != good[f])
        ]
        missing = code == 0 and set(whole(room)) != set(good)
        for path in room.iterdir():
            if path.is_file() and ".new-" not in path.name:
                path.unlink()
        again = run(command)
        left = [p.name for p in room.rglob("*.new-*")]
        if parts or missing or again.returncode != 0 or left:
            wrong.append(
                f"{call} {number} {error}: exit {code}, part of {parts}, left {left}, "
                f"again {again.returncode}"
            )
    witness.result(
        f"faults and kills at each system call of ifectl {name}",
        len(cases),
        len(wrong),
        0,
        not wrong,
        "; ".join(wrong[:2]),
    )


def main():
    host = witness.Host("tool-faults")
    process = host.writer()
    pid = host.running_pid(process)
    host.note("feed-0", host.feed("feed-0", "--count", "300"))
    witness.stop(process, pid)
    room = host.disk / "room"
    ifectl, log = witness.BIN / "ifectl", ["--log", host.log, "--vkey", host.disk / "vkey"]
    prove = [
        ifectl,
        "witness",
        "prove",
        *log,
        "--index",
        "7",
        "--out",
        room / "proof",
        "--entry-out",
        room / "entry",
    ]
    torment("witness prove", prove, room)
    torment(
        "witness verify --remember",
        [ifectl, "witness", "verify", *log, "--remember", room / "seen"],
        room,
    )
    torment("witness copy", [ifectl, "witness", "copy", *log, "--to", room / "copy"], room)
    torment("keygen", [ifectl, "keygen", "--kid", "k", "--out", room / "key"], room, is_random=True)
    host.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
