"""Makes each system call of ife-witnessd fail, or kills it there: first start, later start,
writing, stopping.

A fault of the host ends the writer with 1, never with 3, which is for evidence and which systemd
does not restart. After
each fault a start without one must run, verify whole, and hold acknowledged entries once.
"""

import collections
import re
import signal
import subprocess
import sys

import witness

# What each call can fail with. EACCES stands for permissions, which are a matter of the host as
# well.
ERRORS = {
    "openat": ("EIO", "ENOSPC", "EMFILE", "ENOMEM", "EACCES"),
    "read": ("EIO",),
    "pread64": ("EIO",),
    "write": ("EIO", "ENOSPC"),
    "pwrite64": ("EIO", "ENOSPC"),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC"),
    "linkat": ("EIO", "ENOSPC"),
    "unlink": ("EIO",),
    "mkdir": ("EIO", "ENOSPC"),
    "ftruncate": ("EIO",),
    "fallocate": ("ENOSPC", "ENOMEM"),
    "fchmod": ("EIO",),
    "statfs": ("EIO",),
    "fstatfs": ("EIO",),
    "statx": ("EIO", "ENOMEM", "EACCES"),
    "getdents64": ("EIO",),
    "fcntl": ("ENOLCK",),
    "mmap": ("ENOMEM",),
    "clone3": ("EAGAIN",),
}
# At each call of these the process is killed as well: they are what changes files.
KILLED_AT = (
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "linkat",
    "unlink",
    "mkdir",
    "fallocate",
)
CALLS_MAX = 120
ENTRIES = 12

Case = collections.namedtuple("Case", "phase call number fault")
Tally = collections.namedtuple("Tally", "rounds codes bad lost doubled")


def traced(call, spec):
    """The command that runs the writer with one fault."""
    return [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:{spec}",
    ]


def prepare(host, phase):
    """A host before its first start, or one whose writer was killed with entries in the rings."""
    host.clear()
    if phase == "later":
        process = host.writer()
        pid = host.running_pid(process)
        host.note("feed-0", host.feed("feed-0", "--count", str(ENTRIES)))
        # Stopped, it takes nothing more; killed, it leaves that to the next.
        witness.os.kill(pid, signal.SIGSTOP)
        host.note("feed-0", host.feed("feed-0", "--count", "3", wait_ms=50))
        witness.os.kill(pid, signal.SIGKILL)
        process.wait()
        process.communicate()
    before = {name: list(marks) for name, marks in host.acknowledged.items()}
    host.save()
    return before


def live(host, wrapper):
    """One life of the writer: start, entries, SIGTERM. Its exit code and words."""
    process = host.writer(wrapper)
    pid = host.running_pid(process)
    if pid is None:
        _, said = process.communicate(timeout=60)
        return process.returncode, said.decode(errors="replace")
    host.note("feed-1", host.feed("feed-1", "--count", str(ENTRIES), "--each", wait_ms=400))
    return witness.stop(process, pid)


def calls_of(host):
    """How often one thread makes each call in such a life, at most."""
    trace = host.disk / "trace"
    names = ",".join(ERRORS)
    live(host, ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={names}"])
    counts = collections.Counter(re.findall(r"^(\d+) +(\w+)\(", trace.read_text(), re.M))
    found = collections.Counter()
    for (_, call), count in counts.items():
        found[call] = max(found[call], count)
    return found


def cases_of(phase, counts):
    for call, errors in ERRORS.items():
        for number in range(1, min(counts[call], CALLS_MAX) + 1):
            yield from (Case(phase, call, number, error) for error in errors)
            if call in KILLED_AT:
                yield Case(phase, call, number, "SIGKILL")


def expected(case, code):
    """Whether a writer may end so. 127: not even the dynamic loader, which dies of SIGSEGV without
    its own first mapping;
    SIGABRT: no memory for more."""
    if case.fault == "SIGKILL":
        return code in (0, 1, -signal.SIGKILL, 128 + signal.SIGKILL)
    if case.call == "mmap" and case.number == 1:
        return code in (127, -signal.SIGSEGV, 128 + signal.SIGSEGV)
    if case.call == "mmap":
        return code in (0, 1, 127, -signal.SIGABRT, 128 + signal.SIGABRT)
    return code in (0, 1, 127)


def attempt(host, case, before):
    """(exit code, faults, lost, doubled)"""
    host.restore()
    host.acknowledged = {name: list(marks) for name, marks in before.items()}
    spec = "signal=KILL" if case.fault == "SIGKILL" else f"error={case.fault}"
    code, said = live(host, traced(case.call, f"{spec}:when={case.number}"))
    wrong = "" if expected(case, code) else f"exit {code}: {said.strip()[-200:]}"
    process = host.writer()
    pid = host.running_pid(process)
    if pid is None:
        _, said = process.communicate(timeout=60)
        return (
            code,
            f"the next start ends with {process.returncode}: "
            + said.decode(errors="replace").strip()[-200:],
            0,
            0,
        )
    host.note("feed-2", host.feed("feed-2", "--count", "3"))
    end, said = witness.stop(process, pid)
    verified, lost, doubled, words = host.check()
    if end != 0 or not verified or len(host.acknowledged.get("feed-2", ())) != 3:
        wrong = wrong or f"afterwards: exit {end}, {words} {said.strip()[-200:]}"
    left = [p.name for p in host.disk.iterdir() if ".new-" in p.name]
    return code, wrong or (f"left behind: {left}" if left else ""), lost, doubled


def main():
    subprocess.run(["strace", "-V"], stdout=subprocess.DEVNULL, check=True)
    host = witness.Host("log-faults")
    tallies = {}
    for phase in ("first", "later"):
        before = prepare(host, phase)
        cases = list(cases_of(phase, calls_of(host)))
        if witness.SHORT:
            cases = witness.RNG.sample(cases, 24)
        for case in cases:
            code, wrong, lost, doubled = attempt(host, case, before)
            tally = tallies.setdefault(
                (phase, case.fault), Tally([], collections.Counter(), [], [], [])
            )
            tally.rounds.append(case)
            tally.codes[code] += 1
            tally.lost.append(lost)
            tally.doubled.append(doubled)
            if wrong or lost or doubled:
                tally.bad.append(f"{case.call} {case.number}: {wrong}")
                print(case, wrong, lost, doubled, flush=True)
        host.forget_saved()
    host.remove()
    for (phase, fault), tally in sorted(tallies.items()):
        codes = ", ".join(f"exit {code}: {count}" for code, count in sorted(tally.codes.items()))
        note = codes + (
            f"; {len(tally.bad)} wrong: {'; '.join(tally.bad[:2])}" if tally.bad else ""
        )
        name = f"{fault} at each system call of ife-witnessd, {phase} start"
        witness.result(
            name, len(tally.rounds), sum(tally.lost), sum(tally.doubled), not tally.bad, note
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
