"""Calls that wait for the disk while the SIP worker serves others."""

import contextlib
import os
import pathlib
import signal
import struct
import sys
import time

from sip.stage import Stage, equal, one_of, true

PART = sys.argv[1]
WRITER = int(os.environ["WITNESSD_PID"])
RINGS = pathlib.Path(os.environ["STATE"], "rings")
# In the header of a ring: every sequence number below it is on disk (layout.rs).
DURABLE_SEQ_AT = 2 * 128 + 8
AT_ONCE = 50


@contextlib.contextmanager
def writer_stopped():
    """Entries reach no disk meanwhile."""
    os.kill(WRITER, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(WRITER, signal.SIGCONT)


def waiting(stage, wanted):
    def held():
        return stage.rpc("ife.status")["witness_waiting"]

    true(stage.wait(lambda: held() == wanted), f"{wanted} calls wait, not {held()}")


def durable():
    """Per ring, the first sequence number that is not on disk."""
    rings = {}
    for path in RINGS.glob("kamailio-*.ring"):
        with open(path, "rb") as ring:
            ring.seek(DURABLE_SEQ_AT)
            rings[path.stem] = struct.unpack("=Q", ring.read(8))[0]
    return rings


def signed(stage, count):
    """Signatures made ahead: what waits has a deadline."""
    return [stage.sign() for _ in range(count)]


def begun(stage, caller, signatures, **more):
    calls = [stage.invite(caller, signed=signature, **more) for signature in signatures]
    for call in calls:
        caller.expect(100, call.call_id)
    return calls


def arrive(stage, expert, calls, way="resumed"):
    """The calls as the expert has them, ringing, and the entries on disk when each was seen."""
    seen = {}
    for call in calls:
        invite = expert.expect("INVITE", call.call_id, 30.0)
        theirs = expert.answering(invite)
        seen[call.call_id] = (theirs, durable())
        theirs.reply(invite, 180, "Ringing")
        equal(invite.get("x-way"), way, "the way of the call")
        equal(invite.get("x-before"), "yes", "a header of before the wait")
        words = invite.get("x-seen").split()
        equal([words[0], *words[2:]], ["approved", "to_expert", "kept"], "what the route saw")
    return seen


def talk(stage, caller, expert, calls, seen):
    for call in calls:
        theirs = seen[call.call_id][0]
        theirs.reply(theirs.invite, 200)
        call.establish(caller.final(call.invite))
        call.ack()
        expert.expect("ACK", call.call_id)
        stage.hang_up(call, theirs)


def on_disk_first(stage, seen):
    """When its INVITE arrived, the entry of each call's decision was on disk."""
    for call_id, (_, rings) in seen.items():
        entry = next(entry for entry in stage.entries(call_id) if entry["event"] == "APPROVED")
        is_on_disk = rings[entry["producer"]] > entry["seq"]
        true(is_on_disk, f"{call_id} was relayed before its entry was on disk")


def complete(stage, caller, expert, calls, way="resumed"):
    seen = arrive(stage, expert, calls, way)
    talk(stage, caller, expert, calls, seen)
    for call in calls:
        stage.logged(call.call_id, "APPROVED", "CONNECTED", "ACK", "BYE", "TERMINATED")
    on_disk_first(stage, seen)
    stage.seats(0)


def refused(caller, call):
    response = caller.final(call.invite)
    call.refuse_ack(response)
    equal(response.code, 503, "the answer to a call that is not on disk")
    true(int(response.get("retry-after")) > 0, "Retry-After")


def many(stage):
    caller, expert = stage.caller(), stage.expert()
    signatures = signed(stage, AT_ONCE)
    with writer_stopped():
        calls = begun(stage, caller, signatures)
        waiting(stage, AT_ONCE)
        # The only worker serves others.
        stage.ping(stage.stranger())
        equal(expert.holds("INVITE"), [], "calls at the expert before their entries are on disk")
        true(not caller.holds(lambda message: (message.code or 0) >= 200), "a final reply")
    complete(stage, caller, expert, calls)
    waiting(stage, 0)


def by_script(stage):
    caller, expert = stage.caller(), stage.expert()
    signatures = signed(stage, 1)
    with writer_stopped():
        calls = begun(stage, caller, signatures, extra=[("Subject", "by script")])
        waiting(stage, 1)
    complete(stage, caller, expert, calls)


def refused_at_once(stage):
    """A refused call does not wait, and has no transaction."""
    caller = stage.caller()
    with writer_stopped():
        call = stage.invite(caller, hazard="ethics")
        response = caller.final(call.invite)
        call.refuse_ack(response)
        equal(response.code, 403, "the answer to an unfit hazard")
        waiting(stage, 0)
    stage.logged(call.call_id, "REJECTED")


def cancelled(stage):
    caller, expert = stage.caller(), stage.expert()
    signatures = signed(stage, 1)
    with writer_stopped():
        [call] = begun(stage, caller, signatures)
        waiting(stage, 1)
        cancel = call.invite.copy()
        cancel.start = cancel.start.replace("INVITE", "CANCEL", 1)
        cancel.put("CSeq", [f"{call.invite.seq} CANCEL"])
        cancel.put("Content-Type", [])
        cancel.body = b""
        caller.send(cancel, stage.gate)
        equal(caller.final(cancel).code, 200, "the answer to CANCEL")
        response = caller.final(call.invite)
        equal(response.code, 487, "the answer to the INVITE")
        call.refuse_ack(response)
        stage.seats(0)
    stage.logged(call.call_id, "APPROVED", "CANCEL", "FAILED")
    waiting(stage, 0)
    stage.ping(caller)
    equal(expert.holds("INVITE"), [], "a cancelled call at the expert")


def retransmitted(stage, subject):
    caller, expert = stage.caller(), stage.expert()
    signatures = signed(stage, 1)
    with writer_stopped():
        calls = begun(stage, caller, signatures, extra=[("Subject", subject)])
        for _ in range(2):
            caller.send(calls[0].invite, stage.gate)
        stage.ping(caller)
        waiting(stage, 1)
    complete(stage, caller, expert, calls)
    stage.ping(caller)
    equal(expert.holds("INVITE"), [], "a second INVITE at the expert")


def abandoned(stage):
    """The caller is gone when the call is taken up: it ends as any other call."""
    caller, expert = stage.caller(), stage.expert()
    signatures = signed(stage, 1)
    with writer_stopped():
        [call] = begun(stage, caller, signatures)
        waiting(stage, 1)
    theirs = expert.answering(expert.expect("INVITE", call.call_id, 30.0))
    theirs.reply(theirs.invite, 603, "Decline")
    response = caller.final(call.invite)
    call.refuse_ack(response)
    equal(response.code, 603, "the expert's refusal")
    stage.logged(call.call_id, "APPROVED", "FAILED")
    stage.seats(0)


def killed(stage):
    """The case kills and starts processes while three calls wait."""
    caller, expert = stage.caller(), stage.expert()
    signatures = signed(stage, 3)
    os.kill(WRITER, signal.SIGSTOP)
    calls = begun(stage, caller, signatures)
    deadline = time.monotonic() + 60
    waiting_calls, ringing = {call.call_id: call for call in calls}, {}
    while waiting_calls:
        true(time.monotonic() < deadline, "the calls that waited arrive at the expert")
        # At once: tm gives up a silent phone.
        for call_id in waiting_calls.keys() & {one.call_id for one in expert.holds("INVITE")}:
            del waiting_calls[call_id]
            ringing[call_id] = theirs = expert.answering(expert.expect("INVITE", call_id))
            theirs.reply(theirs.invite, 180, "Ringing")
        # As a caller does that has no final answer, RFC 3261 17.1.1.
        if PART == "killed-kamailio":
            for call in waiting_calls.values():
                caller.send(call.invite, stage.gate)
        time.sleep(1)
    for call in calls:
        theirs = ringing[call.call_id]
        theirs.reply(theirs.invite, 200)
        call.establish(caller.final(call.invite))
        call.ack()
        expert.expect("ACK", call.call_id)
        stage.hang_up(call, theirs)
        stage.logged(call.call_id, "APPROVED", "CONNECTED", "ACK", "BYE", "TERMINATED")


def full(stage):
    caller, expert = stage.caller(), stage.expert()
    signatures = signed(stage, 3)
    with writer_stopped():
        calls = begun(stage, caller, signatures[:2])
        waiting(stage, 2)
        third = stage.invite(caller, signed=signatures[2])
        refused(caller, third)
        waiting(stage, 2)
    complete(stage, caller, expert, calls)
    stage.logged(third.call_id, "APPROVED", "REJECTED")
    waiting(stage, 0)


def late(stage):
    caller, expert = stage.caller(), stage.expert()
    with writer_stopped():
        call = stage.invite(caller)
        refused(caller, call)
        stage.seats(0)
        # The writer stalls: the next call is refused without a wait.
        refused(caller, stage.invite(caller))
    stage.logged(call.call_id, "APPROVED", "REJECTED")
    entries = stage.entries(call.call_id)
    gates = [entry.get("gate") for entry in entries if entry["event"] == "REJECTED"]
    equal(gates, ["witness"], "the gate of the refusal")
    equal(expert.holds("INVITE"), [], "a late call at the expert")
    true(stage.wait(lambda: answered(stage, caller, expert)), "calls pass when the writer goes on")
    waiting(stage, 0)


def answered(stage, caller, expert):
    call = stage.invite(caller)
    both = stage.wait(lambda: expert.holds("INVITE") or caller.holds(503))
    if not both or not expert.holds("INVITE"):
        call.refuse_ack(caller.final(call.invite))
        return False
    theirs = expert.answering(expert.expect("INVITE", call.call_id))
    theirs.reply(theirs.invite, 200)
    call.establish(caller.final(call.invite))
    call.ack()
    expert.expect("ACK", call.call_id)
    stage.hang_up(call, theirs)
    return True


def late_but_let_pass(stage):
    caller, expert = stage.caller(), stage.expert()
    with writer_stopped():
        call = stage.invite(caller)
        invite = expert.expect("INVITE", call.call_id, 30.0)
        equal(invite.get("x-seen").split()[0], "approved", "the verdict that the route saw")
        equal(invite.get("x-way"), "resumed", "the way of the call")
        theirs = expert.answering(invite)
        theirs.reply(theirs.invite, 200)
        call.establish(caller.final(call.invite))
        call.ack()
        expert.expect("ACK", call.call_id)
    stage.logged(call.call_id, "APPROVED", "CONNECTED", "ACK")


def let_pass(stage, caller, expert, *ways):
    """A call that the gate refuses, as no entry reaches the disk, and shadow mode lets pass."""
    call = stage.invite(caller)
    theirs = expert.answering(expert.expect("INVITE", call.call_id, 30.0))
    one_of(theirs.invite.get("x-way"), ways, "the way of the call")
    words = theirs.invite.get("x-seen").split()
    equal([words[0], *words[2:]], ["rejected", "to_expert", "kept"], "what the route saw")
    theirs.reply(theirs.invite, 200)
    call.establish(caller.final(call.invite))
    call.ack()
    expert.expect("ACK", call.call_id)
    stage.hang_up(call, theirs)
    return call.call_id


def shadow(stage, way):
    """The second call meets a writer that stalls: it waits only if none has for a second."""
    caller, expert = stage.caller(), stage.expert()
    with writer_stopped():
        calls = [let_pass(stage, caller, expert, *ways) for ways in ((way,), (way, "direct"))]
        stage.seats(0)
    for call_id in calls:

        def refused_by(call_id=call_id):
            return [entry.get("gate") for entry in stage.entries(call_id) if entry.get("gate")]

        true(
            stage.wait(lambda: "witness" in refused_by()), f"{refused_by()} have refused {call_id}"
        )
    waiting(stage, 0)


def shadow_full(stage):
    caller, expert = stage.caller(), stage.expert()
    signatures = signed(stage, 1)
    with writer_stopped():
        calls = begun(stage, caller, signatures)
        waiting(stage, 1)
        let_pass(stage, caller, expert, "direct")
        waiting(stage, 1)
    complete(stage, caller, expert, calls)


def directly(stage):
    """Without processes for it the worker waits, and the script goes on where it is."""
    caller, expert = stage.caller(), stage.expert()
    calls = [stage.invite(caller)]
    complete(stage, caller, expert, calls, way="direct")


def slow(stage):
    caller, expert = stage.caller(), stage.expert()
    calls = begun(stage, caller, signed(stage, AT_ONCE))
    complete(stage, caller, expert, calls)


def main():
    stage = Stage()
    if PART == "enforce":
        stage.scene("fifty at once", many)
        stage.scene("with the script's values", by_script)
        stage.scene("refused at once", refused_at_once)
        stage.scene("cancelled", cancelled)
        stage.scene("retransmitted", retransmitted, "looked up")
        stage.scene("retransmitted, the script does not look", retransmitted, "unlooked")
        stage.scene("declined", abandoned)
    elif PART.startswith("killed"):
        stage.scene(PART, killed)
    elif PART == "full":
        stage.scene("full", full)
    elif PART == "late":
        stage.scene("late", late)
    elif PART == "best-effort":
        stage.scene("late with best effort", late_but_let_pass)
    elif PART == "shadow-late":
        stage.scene("late, let pass by shadow mode", shadow, "resumed")
    elif PART == "shadow-full":
        stage.scene("without a place, let pass by shadow mode", shadow_full)
    elif PART == "shadow-blocking":
        stage.scene("the worker waits in vain, let pass by shadow mode", shadow, "direct")
    elif PART == "blocking":
        stage.scene("the worker waits", directly)
    else:
        stage.scene("a slow disk", slow)
    stage.end()


main()
