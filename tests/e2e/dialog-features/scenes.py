"""Less usual courses of a call (RFC 3261 13, 14; RFC 3262; RFC 3311)."""

from sip.party import OFFER, Proxy
from sip.stage import Stage, equal


def early(stage):
    """A reliable 183, PRACK, UPDATE by both sides, then the answer."""
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.offered(
        caller, expert, extra=[("Supported", "100rel"), ("Require", "100rel")]
    )
    theirs.reply(
        theirs.invite, 183, "Session Progress", [("Require", "100rel"), ("RSeq", "1")], OFFER
    )
    progress = caller.expect(183, ours.call_id)
    ours.establish(progress)
    equal(progress.get("rseq"), "1", "RSeq")
    stage.carried(ours, theirs, "PRACK", extra=[("RAck", f"1 {ours.invite.seq} INVITE")])
    stage.carried(ours, theirs, "UPDATE", body=OFFER)
    stage.carried(theirs, ours, "UPDATE", body=OFFER)
    theirs.reply(theirs.invite, 200)
    caller.final(ours.invite)
    ours.ack(ours.invite)
    expert.expect("ACK", ours.call_id)
    stage.hang_up(ours, theirs)
    stage.seats(0)


def forked(stage):
    """Three phones ring, each in an early dialog of its own; one answers."""
    ip, port = stage.address("EXPERT")
    phones = [stage.phone(f"phone{i}", ip, 5090 + i) for i in range(3)]
    Proxy(stage, "proxy", [(ip, port)], [f"<sip:{ip}:{port};lr>"], phones)
    caller = stage.caller()
    invited = stage.invite(caller)
    theirs = [phone.answering(phone.expect("INVITE", invited.call_id)) for phone in phones]
    legs = []
    for side in theirs:
        side.reply(side.invite, 180, "Ringing")
        leg = invited.fork(caller.expect(180, invited.call_id))
        leg.seq += 10 * len(legs)
        side.hop = (ip, port)
        legs.append(leg)
    for leg, side in zip(legs, theirs):
        stage.carried(leg, side, "UPDATE")
    theirs[1].reply(theirs[1].invite, 200)
    legs[1].establish(caller.final(invited.invite))
    legs[1].ack(invited.invite)
    theirs[1].phone.expect("ACK", invited.call_id)
    stage.carried(theirs[1], legs[1], "INFO")
    stage.hang_up(theirs[1], legs[1])
    stage.seats(0)


def glare(stage):
    """Both sides re-INVITE at once: 491 to both, and the call goes on."""
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    asked = [(side, side.send("INVITE", body=OFFER)) for side in (ours, theirs)]
    for side in (theirs, ours):
        side.reply(side.phone.expect("INVITE", ours.call_id), 491, "Request Pending")
    for side, request in asked:
        refused = side.phone.final(request)
        equal(refused.code, 491, "glare")
        side.invite = request
        side.refuse_ack(refused)
    stage.seats(1)
    stage.refreshed(theirs, ours)
    stage.hang_up(theirs, ours)
    stage.seats(0)


def late_answer(stage):
    """The phone answers while the CANCEL is on its way: the caller gets the 200, and hangs up."""
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.ringing(caller, expert)
    stage.cancel(ours)
    received = expert.expect("CANCEL", ours.call_id)
    theirs.reply(theirs.invite, 200)
    theirs.reply(received, 481, "Call/Transaction Does Not Exist")
    ours.establish(caller.final(ours.invite))
    ours.ack(ours.invite)
    expert.expect("ACK", ours.call_id)
    stage.seats(1)
    stage.hang_up(ours, theirs)
    stage.seats(0)


def again(stage):
    """The 200 comes twice because the ACK was slow: both are passed on, and both ACKs; one
    CONNECTED.
    """
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.offered(caller, expert)
    theirs.reply(theirs.invite, 200)
    answer = caller.final(ours.invite)
    # Sent again when the first one has passed: RFC 3261 13.3.1.4 waits for T1. Two at once may be
    # two entries.
    theirs.reply(theirs.invite, 200)
    ours.establish(answer)
    ours.ack()
    expert.expect("ACK", ours.call_id)
    stage.hang_up(ours, theirs)
    stage.logged(ours.call_id, "APPROVED", "CONNECTED", "ACK", "BYE", "TERMINATED")
    stage.seats(0)


def compact(stage):
    """Compact and folded header fields within the dialog."""
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    request = ours.build("INFO")
    short = {"via": "v", "from": "f", "to": "t", "call-id": "i"}
    request.headers = [(short.get(name.lower(), name), value) for name, value in request.headers]
    request.headers.append(("Subject", "folded\r\n  twice\r\n\tover"))
    ours.phone.send(request, stage.gate)
    received = theirs.phone.expect("INFO", ours.call_id)
    theirs.reply(received, 200)
    equal(ours.phone.final(request).code, 200, "INFO with compact header fields")
    stage.hang_up(ours, theirs)
    stage.seats(0)


def main():
    stage = Stage()
    for name, play in (
        ("PRACK and UPDATE before the answer", early),
        ("three early dialogs", forked),
        ("glare", glare),
        ("a 200 that crosses the CANCEL", late_answer),
        ("a 200 twice", again),
        ("compact and folded", compact),
    ):
        stage.scene(name, play)
    stage.end()


main()
