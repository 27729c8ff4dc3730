"""The stage of a case: addresses of the deployment, signatures, the log, and the verdict."""

import json
import os
import pathlib
import subprocess
import sys
import time
import traceback

from .endpoint import Endpoint, Trace
from .message import Message, Uri
from .party import OFFER, Phone, unique

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts" / "lib"))
import siptool  # noqa: E402

ENV = os.environ
COUNCIL, SAFETY, ETHICS = ENV["COUNCIL"], ENV["SAFETY"], ENV["ETHICS"]


class Stage:
    """Parties are closed, and the next scene has the ports again, when a scene ends."""

    def __init__(self):
        self.gate = (ENV["PROXY_IP"], int(ENV["SIP_PORT"]))
        self.stack = pathlib.Path(ENV["STACK"])
        self.trace = Trace(self.stack / "captures" / "dialogs.trace")
        self.failures, self.parties, self.names = 0, [], {}
        # Calls that an earlier scene has left up.
        self.left_up = 0

    # ----- parties -----

    def address(self, name):
        """(ip, port) of a party by its name in the environment: "EXPERT" has EXPERT_IP and
        EXPERT_PORT.
        """
        return ENV[f"{name}_IP"], int(ENV.get(f"{name}_PORT") or 5060)

    def endpoint(self, name, ip, port):
        party = Endpoint(self.trace, name, ip, port)
        self.parties.append(party)
        return party

    def phone(self, name, ip, port, transport="UDP", contact=None):
        party = Phone(self.trace, name, ip, port, transport, contact)
        party.stage = self
        self.parties.append(party)
        return party

    def caller(self, **more):
        return self.phone("caller", *self.address("CALLER"), **more)

    def expert(self, **more):
        return self.phone("expert", *self.address("EXPERT"), **more)

    def stranger(self):
        return self.phone("stranger", ENV["STRANGER_IP"], 5070)

    def locate(self, uri):
        """(ip, port) of a URI, as these parties know it: names are those of the case."""
        host, port = Uri(uri).address()
        return self.names.get((host, port), self.names.get(host, (host, port)))

    # ----- calls -----

    def sign(self, caller=COUNCIL, callee=SAFETY, hazard="safety", key="council-2026a"):
        """The X-IF header pairs of a new signature."""
        command = [
            ENV["IFE_BIN"] + "/ifectl",
            "sign",
            "--json",
            "--key",
            str(self.stack / "keys" / f"{key}.key"),
        ]
        command += ["--from", f"sip:{caller}", "--to", f"sip:{callee}", "--hazard", hazard]
        signed = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return [
            ("X-IF-Trace-ID", signed["trace_id"]),
            ("X-IF-Hazard", signed["hazard"]),
            ("X-IF-Signature", signed["signature"]),
        ]

    def invite(
        self,
        caller,
        caller_aor=COUNCIL,
        callee_aor=SAFETY,
        hazard="safety",
        key="council-2026a",
        **more,
    ):
        """A signed INVITE to the gate, or `through` another proxy; the dialog to be. `extra` adds
        header pairs.
        """
        hop = more.pop("through", None) or self.gate
        signed = more.pop("signed", None) or self.sign(caller_aor, callee_aor, hazard, key)
        extra = [*signed, *more.pop("extra", ())]
        return caller.invite(hop, caller_aor, callee_aor, extra=extra, **more)

    def offered(self, caller, callee, **more):
        """Both sides of a call whose INVITE has arrived: the caller's dialog and the callee's."""
        ours = self.invite(caller, **more)
        return ours, callee.answering(callee.expect("INVITE", ours.call_id))

    def ringing(self, caller, callee, **more):
        """Both sides of a call that rings, which the caller has heard."""
        ours, theirs = self.offered(caller, callee, **more)
        theirs.reply(theirs.invite, 180, "Ringing")
        caller.expect(180, ours.call_id)
        return ours, theirs

    def answered(self, caller, callee, **more):
        """Both sides of a call that is answered and acknowledged: the caller's dialog and the
        callee's.
        """
        ours, theirs = self.offered(caller, callee, **more)
        theirs.reply(theirs.invite, 180, "Ringing")
        theirs.reply(theirs.invite, 200)
        ours.establish(caller.final(ours.invite))
        ours.ack()
        callee.expect("ACK", ours.call_id)
        return ours, theirs

    def refreshed(self, side, other, method="INVITE", **more):
        """A re-INVITE or UPDATE of `side`, answered with 200 and acknowledged at the other phone.
        """
        request = side.send(method, body=OFFER, **more)
        received = other.refresh(other.phone.expect(method, side.call_id))
        other.reply(received, 200, body=OFFER)
        response = side.phone.final(request)
        equal(response.code, 200, f"the answer to the {method} of {side.phone.name}")
        side.refresh(response)
        if method == "INVITE":
            side.ack(response)
            other.phone.expect("ACK", side.call_id)

    def carried(self, side, other, method, **more):
        """A request of `side` that arrives at the other phone, and its 200; as it arrived."""
        request = side.send(method, **more)
        received = other.phone.expect(method, side.call_id)
        other.reply(received, 200)
        equal(
            side.phone.final(request).code, 200, f"the answer to the {method} of {side.phone.name}"
        )
        return received

    def cancel(self, ours):
        """The CANCEL of an INVITE that has no final response."""
        cancel = ours.invite.copy()
        cancel.start = ours.invite.start.replace("INVITE", "CANCEL", 1)
        cancel.put("CSeq", [f"{ours.invite.seq} CANCEL"])
        cancel.put("Content-Type", [])
        cancel.body = b""
        ours.phone.send(cancel, self.gate)

    def cancelled(self, caller, callee):
        """A call that rings and is cancelled; the caller's dialog that was to be."""
        ours, theirs = self.ringing(caller, callee)
        self.cancel(ours)
        theirs.reply(callee.expect("CANCEL", ours.call_id), 200)
        theirs.reply(theirs.invite, 487, "Request Terminated")
        self.refused(ours, 487, "the end of the INVITE")
        self.logged(ours.call_id, "APPROVED", "CANCEL", "FAILED")
        return ours

    def refused(self, ours, code, what="the answer"):
        """The final response to the INVITE, which has this code and is acknowledged."""
        response = ours.phone.final(ours.invite)
        ours.refuse_ack(response)
        equal(response.code, code, what)
        return response

    def hang_up(self, side, other):
        """A BYE of `side` that arrives at the other phone, and its 200."""
        return self.carried(side, other, "BYE")

    def ping(self, endpoint):
        """The proxy has taken what this party sent before, by and large: it answers OPTIONS."""
        for _ in range(3):
            headers = [
                (
                    "Via",
                    f"SIP/2.0/UDP {endpoint.ip}:{endpoint.port};branch=z9hG4bK{unique('o')};rport",
                ),
                ("Max-Forwards", "70"),
                ("From", f"<sip:ping@{endpoint.ip}>;tag={unique('t')}"),
                ("To", f"<sip:{self.gate[0]}>"),
                ("Call-ID", unique("ping-")),
                ("CSeq", "1 OPTIONS"),
            ]
            request = Message(f"OPTIONS sip:{self.gate[0]}:{self.gate[1]} SIP/2.0", headers)
            endpoint.send(request, self.gate)
            endpoint.final(request)
        time.sleep(0.2)

    # ----- output of the deployment -----

    def rpc(self, method, *params):
        return siptool.rpc(int(ENV["RPC_PORT"]), method, list(params), 5.0)

    def active_calls(self):
        return self.rpc("ife.stats")["active_calls"]

    def entries(self, call_id):
        """The log's entries of a call, in the order of their times."""
        found = [
            entry
            for entry in siptool.entries(self.stack / "witness")
            if entry.get("call_id") == call_id
        ]
        return sorted(found, key=lambda entry: entry["time"])

    def events(self, call_id):
        return [entry["event"] for entry in self.entries(call_id)]

    def wait(self, check, patience_s=10.0):
        """Whether the check holds before long."""
        deadline = time.monotonic() + patience_s
        while not check():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def logged(self, call_id, *wanted):
        """The call's events in the log, apart from progress, are these and each as often."""
        rest = ("INVITE", "TRYING", "RINGING")

        def there():
            return sorted(event for event in self.events(call_id) if event not in rest)

        if not self.wait(lambda: there() == sorted(wanted)):
            raise AssertionError(f"the log of {call_id} has {there()}, expected {sorted(wanted)}")

    def seats(self, wanted):
        """So many calls of this scene have a seat."""
        if not self.wait(lambda: self.active_calls() - self.left_up == wanted, 5.0):
            held = self.active_calls() - self.left_up
            raise AssertionError(f"{held} calls have a seat, expected {wanted}")

    # ----- scenes -----

    def scene(self, name, play, *args):
        """Plays one shape of the case; what goes wrong in it is shown and does not end the others.
        """
        self.trace.note(name)
        self.left_up = self.active_calls()
        try:
            play(self, *args)
        except Exception as error:  # pylint: disable=broad-except
            self.failures += 1
            print(f"FAIL {name}: {error}")
            if not isinstance(error, AssertionError):
                traceback.print_exc(limit=-3, file=sys.stdout)
            self.trace.note(f"FAIL {name}: {error}")
        finally:
            for party in self.parties:
                party.close()
            self.parties.clear()
            self.names.clear()

    def end(self):
        print(f"{self.failures} scenes failed")
        sys.exit(1 if self.failures else 0)


def equal(got, wanted, label):
    if got != wanted:
        raise AssertionError(f"{label}: expected {wanted!r}, got {got!r}")


def one_of(got, wanted, label):
    if got not in wanted:
        raise AssertionError(f"{label}: expected one of {wanted!r}, got {got!r}")


def true(held, label):
    if not held:
        raise AssertionError(label)
