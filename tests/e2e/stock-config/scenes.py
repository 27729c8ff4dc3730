"""Calls of the gate and calls of others, through the distribution's script with the pieces in it.
"""

import sys

from sip.party import OFFER, Dialog, unique
from sip.stage import ENV, SAFETY, Stage, equal, true

PROXY = ENV["PROXY_IP"]
HERE = f"{PROXY}:{ENV['SIP_PORT']}"
SHADOW = sys.argv[1] == "shadow"


def stranger_dialog(stage, phone, user, callee, ruri=None):
    """A dialog to be, outside of the gate's calls."""
    dialog = Dialog(phone, unique(f"{user}-"))
    dialog.local = f"<sip:{user}@{HERE}>;tag={unique('s')}"
    dialog.remote = f"<sip:{callee}>"
    dialog.target = ruri or f"sip:{callee}"
    dialog.hop = stage.gate
    return dialog


def register(stage, phone, user):
    dialog = stranger_dialog(stage, phone, user, f"{user}@{HERE}", f"sip:{HERE}")
    answer = dialog.ask("REGISTER", extra=[("Contact", phone.contact), ("Expires", "600")])
    equal(answer.code, 200, f"REGISTER of {user}")


def alice_and_bob(stage):
    alice, bob = (
        stage.phone("alice", ENV["STRANGER_IP"], 5070),
        stage.phone("bob", ENV["STRANGER_IP"], 5071),
    )
    register(stage, alice, "alice")
    register(stage, bob, "bob")
    return alice, bob


def counted(stage):
    return stage.rpc("ife.stats")["not_for_gate"]


# ----- calls of the gate -----


def hung_up(stage, who):
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    stage.seats(1)
    stage.refreshed(ours, theirs)
    stage.hang_up(*((ours, theirs) if who == "caller" else (theirs, ours)))
    wanted = ("APPROVED", "CONNECTED", "ACK", "REINVITE", "REINVITE", "ACK", "BYE", "TERMINATED")
    stage.logged(ours.call_id, *wanted)
    stage.seats(0)


def busy(stage):
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.offered(caller, expert)
    theirs.reply(theirs.invite, 486, "Busy Here")
    stage.refused(ours, 486)
    stage.logged(ours.call_id, "APPROVED", "FAILED")
    stage.seats(0)


def cancelled(stage):
    stage.cancelled(stage.caller(), stage.expert())
    stage.seats(0)


def answer_of(stage, phone, dialog, code):
    """The refusal; in shadow mode the call goes on, is answered and hung up."""
    if SHADOW:
        expert = stage.expert()
        theirs = expert.answering(expert.expect("INVITE", dialog.call_id))
        theirs.reply(theirs.invite, 200)
        dialog.establish(phone.final(dialog.invite))
        dialog.ack()
        expert.expect("ACK", dialog.call_id)
        stage.hang_up(dialog, theirs)
        return
    stage.refused(dialog, code, "the refusal")


def decisions(stage, call_id, gate):
    """The one entry about the INVITE, with any requests after it."""
    entries = [entry for entry in stage.entries(call_id) if entry.get("gate") != "dialog"]
    equal(
        [(entry["event"], entry.get("gate")) for entry in entries], [("REJECTED", gate)], "the log"
    )


def refused(stage, again):
    """Without a transaction: the caller repeats its INVITE, and each time gets the answer."""
    caller = stage.caller()
    ours = stage.invite(caller, signed=stage.sign()[:2])
    for _ in range(again):
        caller.send(ours.invite, stage.gate)
    answer_of(stage, caller, ours, 428)
    stage.ping(caller)
    true(stage.wait(lambda: stage.entries(ours.call_id)), "an entry")
    decisions(stage, ours.call_id, "signature")
    stage.seats(0)


def acknowledged_late(stage):
    """The ACK of a refusal that sl does not know any more: no answer, and no entry."""
    caller = stage.caller()
    ours = stage.invite(caller, signed=stage.sign()[:2])
    answer_of(stage, caller, ours, 428)
    # In shadow mode the call went on: its BYE is of no approved dialog.
    wanted = 2 if SHADOW else 1
    true(
        stage.wait(lambda: len(stage.entries(ours.call_id)) == wanted), "the entries before the ACK"
    )
    queued = stage.rpc("ife.stats")["witness_queued"]
    ours.remote = f"<sip:{SAFETY}>;tag={unique('other')}"
    for target in (f"sip:{SAFETY}", f"sip:{HERE}"):
        ours.target, ours.route_set = target, []
        ours.send("ACK", seq=ours.invite.seq)
    stage.ping(caller)
    equal(stage.rpc("ife.stats")["witness_queued"], queued, "entries in all")
    decisions(stage, ours.call_id, "signature")


def replayed(stage):
    signed = stage.sign()
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.answered(caller, expert, signed=signed)
    stage.hang_up(ours, theirs)
    stage.seats(0)
    expert.close()
    stage.parties.remove(expert)
    again = stage.invite(caller, signed=signed)
    answer_of(stage, caller, again, 403)
    true(stage.wait(lambda: stage.entries(again.call_id)), "an entry")
    decisions(stage, again.call_id, "replay")


def retransmitted(stage):
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.offered(caller, expert)
    caller.send(ours.invite, stage.gate)
    caller.send(ours.invite, stage.gate)
    theirs.reply(theirs.invite, 200)
    ours.establish(caller.final(ours.invite))
    ours.ack()
    expert.expect("ACK", ours.call_id)
    stage.hang_up(ours, theirs)
    stage.logged(ours.call_id, "APPROVED", "CONNECTED", "ACK", "BYE", "TERMINATED")
    equal(expert.holds("INVITE"), [], "further INVITEs at the expert")
    stage.seats(0)


def made_up_dialog(stage):
    """A To-tag is no way around the gate."""
    stranger, expert = stage.stranger(), stage.expert()
    for ruri in (f"sip:{SAFETY}", f"SIP:Expert%2DSafety@{SAFETY.split('@')[1]}:5060"):
        dialog = stranger_dialog(stage, stranger, "eve", f"{SAFETY}", ruri)
        dialog.remote += ";tag=made-up"
        dialog.invite = dialog.send("INVITE", body=OFFER)
        stage.refused(dialog, 404 if SHADOW else 481)
    equal(expert.holds("INVITE"), [], "INVITEs at the expert")


def other_spellings(stage):
    """An expert who registers here, dialled by names that his address does not have."""
    house, stranger = stage.phone("house", *stage.address("SPARE")), stage.stranger()
    register(stage, house, "house")
    users = ("house", "HOUSE", "%68ouse", "house:secret", "house;x=1")
    for uri in [f"{user}@{host}" for user in users for host in ("proxy.example", HERE)]:
        dialog = stranger_dialog(stage, stranger, "eve", "nobody@elsewhere.example", f"sip:{uri}")
        dialog.invite = dialog.send("INVITE", body=OFFER)
        stage.refused(dialog, 400, f"the answer for {uri}")
    equal(house.holds("INVITE"), [], "INVITEs at the expert")


# ----- calls of others -----


def ordinary_call(stage):
    before = counted(stage)
    alice, bob = alice_and_bob(stage)
    ours = stranger_dialog(stage, alice, "alice", f"bob@{HERE}")
    ours.invite = ours.send("INVITE", body=OFFER)
    theirs = bob.answering(bob.expect("INVITE", ours.call_id))
    theirs.reply(theirs.invite, 180, "Ringing")
    theirs.reply(theirs.invite, 200)
    ours.establish(alice.final(ours.invite))
    ours.ack()
    bob.expect("ACK", ours.call_id)
    stage.refreshed(theirs, ours)
    stage.hang_up(theirs, ours)
    true(counted(stage) > before, "requests that are not for the gate are counted")
    equal(stage.entries(ours.call_id), [], "the log")


def ordinary_requests(stage):
    alice, bob = alice_and_bob(stage)
    for method in ("MESSAGE", "OPTIONS"):
        ours = stranger_dialog(stage, alice, "alice", f"bob@{HERE}")
        request = ours.send(method)
        received = bob.expect(method, ours.call_id)
        theirs = Dialog(bob, ours.call_id)
        theirs.local = f"{received.get('to')};tag={unique('b')}"
        theirs.reply(received, 200)
        equal(alice.final(request).code, 200, method)
        equal(stage.entries(ours.call_id), [], "the log")
    ours = stranger_dialog(stage, alice, "alice", f"carol@{HERE}")
    ours.invite = ours.send("INVITE", body=OFFER)
    response = alice.final(ours.invite)
    ours.refuse_ack(response)
    equal(response.code, 404, "nobody's INVITE")
    equal(stage.entries(ours.call_id), [], "the log")


def main():
    stage = Stage()
    for who in ("caller", "expert"):
        stage.scene(f"the {who} hangs up", hung_up, who)
    stage.scene("busy", busy)
    stage.scene("cancelled", cancelled)
    stage.scene("refused", refused, 0)
    stage.scene("refused, the INVITE comes again", refused, 5)
    stage.scene("the ACK of a refusal", acknowledged_late)
    stage.scene("replayed", replayed)
    stage.scene("retransmitted", retransmitted)
    stage.scene("a made-up To-tag", made_up_dialog)
    if not SHADOW:
        stage.scene("other spellings of an expert", other_spellings)
    stage.scene("an ordinary call", ordinary_call)
    stage.scene("ordinary requests", ordinary_requests)
    stage.end()


main()
