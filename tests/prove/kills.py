"""Kills processes under calls and compares the callers' account with the witness log, Call-ID by
Call-ID.
"""

import importlib.util
import os
import pathlib
import random
import signal
import sys
import time

import sip
import watch

ROUNDS = 2 if sip.SHORT else 30
RATE = 40 if sip.SHORT else 80
BETWEEN_S = 1.5


def siptool():
    path = pathlib.Path(os.environ["IFE_ROOT"], "scripts/lib/siptool.py")
    spec = importlib.util.spec_from_file_location("siptool", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def victims(kind, rng):
    """Process ids to kill."""
    if kind == "one worker":
        # Any process that handles SIP: UDP and TCP receivers.
        found = [pid for pid, _ in watch.workers()]
        return [rng.choice(found)] if found else []
    if kind == "all of Kamailio":
        return watch.processes("kamailio")
    return [watch.main_pid("witnessd")]


def kill(pids):
    """How many of them it killed."""
    killed = 0
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except (ProcessLookupError, TypeError):
            pass
    return killed


def back(limit_s=30):
    """Seconds until both servers answer again, or None."""
    start = time.time()
    while time.time() - start < limit_s:
        status = watch.rpc("core.uptime", timeout_s=0.3)
        if status and watch.main_pid("witnessd") and watch.processes("witnessd"):
            return time.time() - start
        time.sleep(0.05)
    return None


def attack(kind, rng):
    caller = sip.Caller(sip.CALLERS[0], talk_s=0.2, prefix=f"kill-{kind.replace(' ', '-')}")
    signed, signed_at, number = [], 0, 0
    downtimes, killed = [], 0
    for _ in range(ROUNDS):
        next_kill = time.time() + BETWEEN_S * rng.uniform(0.4, 1.0)
        end = time.time() + BETWEEN_S
        due = time.time()
        while time.time() < end:
            if not signed or time.time() - signed_at > 30:
                signed, signed_at = sip.sign(500), time.time()
            if time.time() >= due:
                due += 1 / RATE
                number += 1
                caller.place(signed.pop(), str(number))
            caller.turn(0.005)
            if time.time() >= next_kill:
                next_kill = float("inf")
                killed += kill(victims(kind, rng)) > 0
        down = back()
        downtimes.append(down)
        if down is None:
            break
        signed = []
    caller.settle(20)
    caller.close()
    return caller, downtimes, killed


def account(kind, caller, downtimes, killed):
    """Waits until the log is published and compares."""
    tool = siptool()
    calls = list(caller.account.values())
    answered = [c for c in calls if c["finals"]]
    wrong = []
    for _ in range(40):
        entries = list(tool.entries(pathlib.Path(os.environ["STACK"], "witness")))
        wrong = tool.ledger(answered, entries)
        if not wrong:
            break
        time.sleep(0.5)
    doubled = sum("decisions:" in text for text in wrong)
    approved = sum(c["finals"].get("1", {}).get("code") == 200 for c in calls)
    gone = [d for d in downtimes if d is not None]
    note = f"{len(calls)} calls, {len(answered)} with a final reply, {approved} of them 200; "
    note += (
        f"back after {sum(gone) / max(1, len(gone)):.1f} s on average, {max(gone, default=0):.1f} "
        "s at most"
    )
    if wrong:
        note += "; " + "; ".join(wrong[:3])
    ok = not wrong and len(gone) == killed == ROUNDS and approved > ROUNDS * 5
    sip.result(f"kill -9 of {kind}", ROUNDS, len(wrong) - doubled, doubled, 0, ok, note)


def main():
    rng = random.Random(sip.SEED)
    phone = sip.Phone(sip.EXPERTS[0], keep=False)
    phone.start()
    for kind in ("one worker", "all of Kamailio", "ife-witnessd"):
        account(kind, *attack(kind, rng))
    return 0


if __name__ == "__main__":
    sys.exit(main())
