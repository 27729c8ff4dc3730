"""The way to Asterisk's manager interface cut, swallowed and flooded under calls in several states.

ami_faults.py UNIX_SOCKET PROXY_CONTROL
"""

import random
import socket
import sys
import threading

from bridge_api import (
    ETHICS,
    SAFETY,
    SEED,
    SHORT,
    Api,
    asterisk,
    called_twice,
    channels,
    result,
    until,
)

ROUNDS = 1 if SHORT else 8
FLOOD = 20_000 if SHORT else 100_000
OVER = ("ended", "failed")


class Control:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.file = self.sock.makefile("rw")

    def order(self, text):
        self.file.write(text + "\n")
        self.file.flush()
        return self.file.readline()


class Round:
    """Calls in several states, a fault, and what became of them."""

    def __init__(self, api, control):
        self.api, self.control, self.problems, self.asked = api, control, [], 0

    def note(self, holds, problem):
        self.asked += 1
        if not holds:
            self.problems.append(problem)

    def reaches(self, call, state):
        try:
            until(f"{call} is {state}", lambda: self.api.state(call) == state)
            self.note(True, "")
        except AssertionError as error:
            self.note(False, f"{error}; it is {self.api.state(call)}, {self.api.reason(call)}")

    def begin(self, talking):
        self.talks = [self.api.call(SAFETY, "safety")[1]["call_id"] for _ in range(talking)]
        self.rings = self.api.call(ETHICS, "ethics")[1]["call_id"]
        for call in self.talks:
            self.reaches(call, "connected")
        self.reaches(self.rings, "ringing")

    def placed_meanwhile(self):
        """A call is asked for while the fault begins: its answer is bounded."""
        self.placed = None

        def place():
            self.placed = self.api.call(SAFETY, "safety")

        self.placing = threading.Thread(target=place, daemon=True)
        self.placing.start()

    def outage(self, fault):
        self.begin(talking=2)
        stays, goes = self.talks
        self.placed_meanwhile()
        self.control.order(fault)
        for call in (stays, goes, self.rings):
            self.reaches(call, "unknown")
        status, _ = self.api.call(SAFETY, "safety")
        self.note(status == 503, f"a call without Asterisk: {status}")
        self.note(not self.api.is_ready(), "ready without Asterisk")
        self.placing.join(90)
        self.note(self.placed is not None and self.placed[0] != 0, "a call had no answer")
        self.hang_up_at_asterisk(goes)
        self.control.order("pass")
        until("the bridge is ready again", self.api.is_ready)
        self.reaches(stays, "connected")
        self.reaches(self.rings, "ringing")
        self.reaches(goes, "ended")
        self.note(self.api.reason(goes) == "unseen", f"a leg that went: {self.api.reason(goes)}")
        self.finish([stays, self.rings])

    def flood(self, kind):
        self.begin(talking=1)
        self.control.order(f"{kind} {FLOOD}")
        until("the bridge is ready", self.api.is_ready)
        self.placed = None
        self.reaches(self.talks[0], "connected")
        self.reaches(self.rings, "ringing")
        status, answer = self.api.call(SAFETY, "safety")
        self.note(status == 201, f"a call after {kind}: {status} {answer}")
        if status == 201:
            self.talks.append(answer["call_id"])
            self.reaches(answer["call_id"], "connected")
        self.finish([*self.talks, self.rings])

    def hang_up_at_asterisk(self, call):
        name = f"!ife.node1.{call.removeprefix('sip-call-')}.e0"
        found = [line.split("!")[0] for line in channels() if line.endswith(name)]
        self.note(len(found) == 1, f"channels of {call}: {found}")
        for channel in found:
            asterisk(f"channel request hangup {channel}")

    def finish(self, calls):
        """Every call obeys again, and nothing of it is left at Asterisk."""
        if self.placed and self.placed[0] == 201:
            calls.append(self.placed[1]["call_id"])
        for call in calls:
            status, answer = self.api.ask("DELETE", f"/v1/calls/{call}")
            self.note(status == 200, f"hanging up {call}: {status} {answer}")
        for call in calls:
            self.note(self.api.state(call) in OVER, f"{call} is {self.api.state(call)}")
        try:
            until("no channel is left", lambda: not channels())
            self.note(True, "")
        except AssertionError as error:
            self.note(False, f"{error}: {channels()}")


def main(unix, control_path):
    rng = random.Random(SEED)
    control = Control(control_path)
    faults = {
        "AMI cut": lambda r: r.outage("cut"),
        "AMI swallowed, what was sent arrives late": lambda r: r.outage("hole"),
        f"{FLOOD:,} events of strangers": lambda r: r.flood("events"),
        f"{FLOOD:,} messages that are none": lambda r: r.flood("garbage"),
    }
    order = [name for name in faults for _ in range(ROUNDS)]
    rng.shuffle(order)
    found = {name: [0, []] for name in faults}
    twice = set()
    for name in order:
        one = Round(Api(unix), control)
        try:
            faults[name](one)
        except (AssertionError, TypeError, KeyError) as error:
            one.problems.append(f"{type(error).__name__}: {error}")
            control.order("pass")
        found[name][0] += one.asked
        found[name][1] += one.problems
        now = set(called_twice())
        if now - twice:
            found[name][1].append(f"called twice: {sorted(now - twice)}")
        twice |= now
    for name, (asked, problems) in found.items():
        note = f"{asked} checks; " + "; ".join(problems[:4]) if problems else f"{asked} checks"
        result(name, ROUNDS, len(problems), len(twice), ok=not problems, note=note)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
