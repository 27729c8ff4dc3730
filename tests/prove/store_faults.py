"""Makes each system call of ife-bridge on its store fail, or kills it there.

Calls acknowledged to an agent must be there after a start without a fault: the same answer, one
call, and one INVITE at the expert's phone. Over HTTP the answer is the acknowledgement, and what
was
refused may be sent again, and is then one call as well. Over NATS (NATS_PORT) JetStream has the
message from the beginning: it gets one outcome under any fault and is one call.
"""

import collections
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(os.environ["IFE_ROOT"])
STACK = pathlib.Path(os.environ["STACK"]).resolve()
sys.path.insert(0, str(ROOT / "tests/e2e"))
import ifmessage  # noqa: E402

SHORT = os.environ.get("SCALE") == "short"
RNG = random.Random(int(os.environ.get("SEED", "1")))
STORE, SOCKET = STACK / "store", STACK / "bridge.sock"
FILES = (STORE, STORE / "calls.log", STORE / "calls.log.new")
ERRORS = {
    "mkdir": ("EIO", "ENOSPC", "EACCES"),
    "openat": ("EIO", "ENOSPC", "EMFILE", "ENOMEM", "EACCES"),
    "statx": ("EIO", "ENOMEM"),
    "read": ("EIO",),
    "write": ("EIO", "ENOSPC"),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC"),
}
KILLED_AT = ("mkdir", "openat", "write", "fsync", "fdatasync", "rename")
START_S, CALLS = 60, 2
# JetStream delivers a message again after 30 s without an acknowledgement.
OUTCOME_S, NATS_PORT = 90, os.environ.get("NATS_PORT")
SHORT_CASES = 2 if NATS_PORT else 6
NATS_FAULTS = [(call, fault) for call in ("write", "fdatasync") for fault in ("EIO", "SIGKILL")]

Case = collections.namedtuple("Case", "phase call number fault")
Tally = collections.namedtuple("Tally", "codes bad lost doubled")


class Local(http.client.HTTPConnection):
    """HTTP over the API's socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(SOCKET))


def ask(method, path, body=None):
    """(status, body as JSON), or (0, None) when the bridge is gone."""
    connection = Local("bridge")
    try:
        head = {"Content-Type": "application/json"}
        connection.request(method, path, body and json.dumps(body), head)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, None


class Bridge:
    """A process of ife-bridge, under strace with a `wrapper`."""

    def __init__(self, wrapper=()):
        words = [os.environ["BRIDGE_BIN"], "--log", "warn"]
        words += ["run", "--config", str(STACK / "bridge.yaml")]
        SOCKET.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [*wrapper, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def is_ready(self):
        """Waits until it serves and Asterisk is there, or until it has ended."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            if ask("GET", "/readyz")[0] == 200:
                return True
            time.sleep(0.02)
        return False

    def stop(self):
        """(exit code, output)"""
        for pid in [self.process.pid, *children(self.process.pid)][::-1]:
            try:
                os.kill(pid, signal.SIGTERM)
                break
            except ProcessLookupError:
                pass
        try:
            _, said = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, said = self.process.communicate()
            return "no end", said.decode(errors="replace")
        return self.process.returncode, said.decode(errors="replace")


def children(pid):
    try:
        listed = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in listed.split()]
    except OSError:
        return []


KEY = ifmessage.read_key(STACK / "keys/guard-2026a.key")


class Message:
    """An escalation and what its sender has seen of it."""

    number = 0

    def __init__(self):
        Message.number += 1
        self.trace = f"trace-store-{os.getpid()}-{Message.number}"
        self.body = ifmessage.escalation(*KEY, f"m-{self.trace}", self.trace, "safety")
        self.answer = None

    def send(self):
        status, answer = ask("POST", "/v1/escalations?wait=connected", self.body)
        return answer if status in (200, 201, 202) else None


def nats(*words, body=b""):
    command = [sys.executable, str(ROOT / "tests/e2e/nats.py"), NATS_PORT, *words]
    return subprocess.run(command, input=body, stdout=subprocess.PIPE, check=True).stdout.decode()


class Posted(Message):
    """An escalation that JetStream has taken."""

    def __init__(self):
        super().__init__()
        self.is_published = False

    def send(self):
        """Its outcomes, or None while it has none; a bridge that is gone gives none."""
        if not self.is_published:
            nats("publish", "if.connect.escalate", body=json.dumps(self.body).encode())
            self.is_published = True
        end = time.monotonic() + OUTCOME_S
        while time.monotonic() < end:
            found = self.outcomes()
            if found or not ask("GET", "/healthz")[0] or is_broken():
                return found or None
            time.sleep(0.2)
        return None

    def outcomes(self):
        bodies = [json.loads(line)["body"] for line in nats("messages", "OUTCOME").splitlines()]
        payloads = [json.loads(body)["payload"] for body in bodies]
        return [known for known in payloads if known["in_reply_to"] == self.body["id"]]


def is_broken():
    """Whether the bridge reports a failed store: it takes no messages until it restarts."""
    health = ask("GET", "/readyz")[1]
    return health is not None and not health["store"]


def new_message():
    return Posted() if NATS_PORT else Message()


def lives(wrapper, messages):
    """One life of the bridge: start, calls, SIGTERM. (exit code, output, untrue statements)"""
    bridge, untrue = Bridge(wrapper), ""
    if bridge.is_ready():
        for message in messages:
            message.answer = message.send()
        refused = not all(message.answer for message in messages)
        if refused and bridge.process.poll() is None and ask("GET", "/readyz")[0] == 200:
            untrue = "ready, and the store has failed"
    return *bridge.stop(), untrue


def strace(*more):
    paths = [word for path in FILES for word in ("-P", str(path))]
    return ["strace", "-f", "-qq", *paths, *more]


def invites(trace):
    """Call-IDs of the INVITEs of a trace at the expert's phone."""
    text = (STACK / "captures/safety.msg").read_text(errors="replace")
    found = set()
    for part in re.split(r"(?m)^INVITE ", text)[1:]:
        head = part.split("\n\n")[0].split("\r\n\r\n")[0]
        if f"X-IF-Trace-ID: {trace}" in head:
            found.update(re.findall(r"(?mi)^Call-ID: *(\S+)", head))
    return found


def check(messages):
    """(faults, lost, doubled): the senders' account against a bridge without faults."""
    bridge = Bridge()
    if not bridge.is_ready():
        code, said = bridge.stop()
        return f"the next start ends with {code}: {said.strip()[-200:]}", 0, 0
    wrong, lost, doubled = "", 0, 0
    for message in messages:
        again = message.send()
        if message.answer and again != message.answer:
            lost += 1
            wrong = f"acknowledged {message.answer}, then {again}"
        if not message.answer and not again:
            wrong = "a message that was refused is refused for ever"
        if NATS_PORT and again and len(again) > 1:
            doubled += 1
            wrong = f"{len(again)} outcomes: {again}"
    _, listed = ask("GET", "/v1/calls")
    for message in messages:
        calls = [call for call in (listed or []) if call["trace_id"] == message.trace]
        rung = invites(message.trace)
        if len(calls) > 1 or len(rung) > 1:
            doubled += 1
            wrong = f"{len(calls)} calls, {len(rung)} INVITEs"
        for call in calls:
            ask("DELETE", f"/v1/calls/{call['call_id']}")
    code, said = bridge.stop()
    if code != 0:
        wrong = wrong or f"exit {code} without a fault: {said[-200:]}"
    return wrong, lost, doubled


def says_what_to_do(said):
    """An error of the log names the file and the reason."""
    return re.search(r"ERROR.*(store|calls\.log).*os error", said)


def attempt(case, saved):
    """(exit code, faults, lost, doubled)"""
    restore(saved)
    messages = [new_message() for _ in range(CALLS)]
    spec = "signal=KILL" if case.fault == "SIGKILL" else f"error={case.fault}"
    inject = f"inject={case.call}:{spec}:when={case.number}"
    faulty = strace("-o", "/dev/null", "-e", f"trace={case.call}", "-e", inject)
    code, said, untrue = lives(faulty, messages)
    killed = case.fault == "SIGKILL"
    may_be = (-signal.SIGKILL, 128 + signal.SIGKILL, 0) if killed else (0, 1)
    wrong = untrue if code in may_be else f"exit {code}: {said.strip()[-200:]}"
    if code == 1 and not says_what_to_do(said):
        wrong = f"no reason is told: {said.strip()[-200:]}"
    found, lost, doubled = check(messages)
    return code, wrong or found, lost, doubled


def restore(saved):
    shutil.rmtree(STORE, ignore_errors=True)
    if saved:
        shutil.copytree(saved, STORE)


def prepare(phase):
    """No store, or one that holds calls that are over, answers and a torn last line."""
    restore(None)
    if phase == "first":
        return None
    messages = [new_message() for _ in range(3)]
    lives((), messages)
    wrong, lost, doubled = check(messages)
    if wrong or lost or doubled:
        sys.exit(f"without a fault: {wrong}")
    with open(STORE / "calls.log", "ab") as log:
        log.write(b'deadbeef {"torn')
    saved = STACK / "store.saved"
    shutil.rmtree(saved, ignore_errors=True)
    shutil.copytree(STORE, saved)
    return saved


def cases_of(phase, saved):
    """Each system call of a life without faults, with each of its errors."""
    restore(saved)
    trace, messages = STACK / "store.trace", [new_message() for _ in range(CALLS)]
    code, said, _ = lives(strace("-o", str(trace), "-e", f"trace={','.join(ERRORS)}"), messages)
    if code != 0 or not all(message.answer for message in messages):
        sys.exit(f"without a fault: exit {code}: {said[-300:]}")
    per_thread = collections.Counter(re.findall(r"^(\d+) +(\w+)\(", trace.read_text(), re.M))
    check(messages)
    counts = collections.Counter()
    for (_, call), count in per_thread.items():
        counts[call] = max(counts[call], count)
    for call, errors in ERRORS.items():
        for number in range(1, counts[call] + 1):
            yield from (Case(phase, call, number, error) for error in errors)
            if call in KILLED_AT:
                yield Case(phase, call, number, "SIGKILL")


def note(name, rounds, tally):
    counted = sorted(tally.codes.items(), key=str)
    codes = ", ".join(f"exit {code}: {count}" for code, count in counted)
    bad = f"; {len(tally.bad)} wrong: {'; '.join(tally.bad[:2])}" if tally.bad else ""
    row = {"fault": name, "rounds": rounds, "through": 0}
    row |= {"lost": sum(tally.lost), "doubled": sum(tally.doubled)}
    with open(os.environ["PROVE_RESULTS"], "a", encoding="utf-8") as out:
        out.write(json.dumps(row | {"ok": not tally.bad, "note": codes + bad}) + "\n")


def main():
    tallies = {}
    for phase in ("first", "later"):
        saved = prepare(phase)
        cases = list(cases_of(phase, saved))
        if NATS_PORT:
            cases = [case for case in cases if (case.call, case.fault) in NATS_FAULTS]
        print(phase, len(cases), "cases", flush=True)
        if SHORT:
            cases = RNG.sample(cases, min(SHORT_CASES, len(cases)))
        for case in cases:
            code, wrong, lost, doubled = attempt(case, saved)
            new = Tally(collections.Counter(), [], [], [])
            tally = tallies.setdefault((phase, case.fault), new)
            tally.codes[code] += 1
            tally.lost.append(lost)
            tally.doubled.append(doubled)
            print(*case, code, wrong, lost, doubled, flush=True)
            if wrong or lost or doubled:
                tally.bad.append(f"{case.call} {case.number}: {wrong}")
    for (phase, fault), tally in sorted(tallies.items()):
        name = f"{fault} at each system call of ife-bridge on its store, {phase} start"
        if NATS_PORT:
            name = (
                f"{fault} at each write and sync of the store, escalations over NATS, {phase} start"
            )
        note(name, len(tally.lost), tally)
    return 0


if __name__ == "__main__":
    sys.exit(main())
