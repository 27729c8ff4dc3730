"""Replies that no request has asked for."""

import time

from sip.message import Message
from sip.party import unique
from sip.stage import Stage, equal


def stray(stage, side, code, method, via, own=None):
    """A reply of the expert's side whose second Via is `via`."""
    gate = own or f"SIP/2.0/UDP {stage.gate[0]}:{stage.gate[1]};branch=z9hG4bK{unique('s')}"
    second = f"SIP/2.0/UDP {via};branch=z9hG4bK{unique('v')}"
    headers = [("Via", gate), ("Via", second), ("From", side.remote), ("To", side.local)]
    headers += [("Call-ID", side.call_id), ("CSeq", f"{side.invite.seq} {method}")]
    headers.append(("Contact", side.phone.contact))
    return Message(f"SIP/2.0 {code} Stray", headers)


def strays(stage, sender, ended):
    victim = stage.phone("victim", *stage.address("SPARE"))
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.answered(caller, expert)
    if ended:
        stage.hang_up(ours, theirs)
    phone = {"a stranger": stage.stranger(), "the expert": expert, "the caller": caller}[sender]
    there = f"{victim.ip}:{victim.port}"
    for code, method in (
        (200, "INVITE"),
        (180, "INVITE"),
        (486, "INVITE"),
        (200, "BYE"),
        (200, "OPTIONS"),
    ):
        for via in (
            there,
            f"{caller.ip}:{caller.port};received={victim.ip};rport={victim.port}",
            "victim.invalid",
        ):
            phone.send(stray(stage, theirs, code, method, via), stage.gate)
    stage.ping(phone)
    equal([str(m) for m in victim.holds()], [], "what the third party got")
    if sender == "a stranger":
        phone.send(stray(stage, theirs, 200, "INVITE", f"{caller.ip}:{caller.port}"), stage.gate)
        stage.ping(phone)
        equal(
            [str(m) for m in caller.holds(lambda m: not m.is_request() and "Stray" in m.start)],
            [],
            "at the caller",
        )
    if not ended:
        stage.hang_up(ours, theirs)
    stage.seats(0)


def forged_answers(stage, sender):
    """Replies with the branch of the proxy's own INVITE, from where that INVITE was not sent."""
    caller, expert = stage.caller(), stage.expert()
    phone = stage.stranger() if sender == "a stranger" else caller
    ours, theirs = stage.offered(caller, expert)
    theirs.reply(theirs.invite, 180, "Ringing")
    caller.expect(180, ours.call_id)
    via = f"{caller.ip}:{caller.port}"
    own = theirs.invite.get("via")
    for code in (180, 486, 200):
        phone.send(stray(stage, theirs, code, "INVITE", via, own), stage.gate)
    stage.ping(phone)
    theirs.reply(theirs.invite, 200)
    ours.establish(caller.final(ours.invite))
    ours.ack()
    expert.expect("ACK", ours.call_id)
    phone.send(stray(stage, theirs, 200, "INVITE", via, own), stage.gate)
    stage.ping(phone)
    equal([m.start for m in caller.holds(lambda m: "Stray" in m.start)], [], "at the caller")
    stage.carried(ours, theirs, "INFO")
    stage.hang_up(ours, theirs)
    stage.seats(0)


def answered_from_elsewhere(stage):
    """The expert's host answers from another of its registered addresses."""
    caller, expert = stage.caller(), stage.expert()
    other = stage.phone("other", *stage.address("SPARE"))
    ours, theirs = stage.offered(caller, expert)
    theirs.phone = Elsewhere(other, stage.gate, expert.contact)
    theirs.reply(theirs.invite, 200)
    ours.establish(caller.final(ours.invite))
    theirs.phone = expert
    ours.ack()
    expert.expect("ACK", ours.call_id)
    stage.hang_up(ours, theirs)
    stage.seats(0)


class Elsewhere:
    """Sends replies from another address."""

    def __init__(self, phone, gate, contact):
        self.phone, self.gate, self.contact = phone, gate, contact

    def answer(self, _, message):
        self.phone.send(message, self.gate)


def sent_again(stage):
    """A 200 that comes again when its transaction is gone (RFC 3261 16.7 at its end)."""
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.answered(caller, expert)
    # tm keeps an answered INVITE for some seconds.
    time.sleep(8)
    again = stray(stage, theirs, 200, "INVITE", f"{caller.ip}:{caller.port};rport={caller.port}")
    expert.send(again, stage.gate)
    caller.expect(200, ours.call_id)
    stage.hang_up(ours, theirs)
    stage.seats(0)


def main():
    stage = Stage()
    for ended in (False, True):
        for sender in ("a stranger", "the expert", "the caller"):
            stage.scene(
                f"stray replies of {sender}, {'after' if ended else 'during'} the call",
                strays,
                sender,
                ended,
            )
    for sender in ("a stranger", "the caller"):
        stage.scene(f"answers of {sender} with the branch of the INVITE", forged_answers, sender)
    stage.scene("an answer from another registered address", answered_from_elsewhere)
    stage.scene("a 200 sent again", sent_again)
    stage.end()


main()
