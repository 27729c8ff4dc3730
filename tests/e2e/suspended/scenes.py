"""Calls that are suspended between the gate and the relay."""

import sys

from sip.stage import SAFETY, Stage, equal, true

SHADOW = sys.argv[1] == "shadow"


def seen(message, verdict):
    """The words of X-Seen, which begin with the verdict."""
    words = message.get("x-seen").split()
    equal(words[0], verdict, "the verdict that the route saw")
    return words


def played(stage, verdict, signed, code, hazard="safety"):
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.offered(caller, expert, signed=signed)
    words = seen(theirs.invite, verdict)
    equal(words[1:4], ["to_expert", hazard, code], "direction, hazard and code")
    theirs.reply(theirs.invite, 200)
    answer = ours.establish(caller.final(ours.invite))
    true(
        seen(answer, verdict)[1].startswith("sip:expert-safety@"), "the contact, in the reply route"
    )
    ours.ack()
    expert.expect("ACK", ours.call_id)
    stage.hang_up(ours, theirs)
    stage.seats(0)
    return ours


def answered(stage):
    ours = played(stage, "approved", stage.sign(), "200")
    stage.logged(ours.call_id, "APPROVED", "CONNECTED", "ACK", "BYE", "TERMINATED")


def let_pass(stage):
    """Refused by the gate, and let pass by shadow mode."""
    ours = played(stage, "rejected", stage.sign()[:2], "428")
    stage.logged(ours.call_id, "REJECTED")


def let_pass_without_hazard(stage):
    """The first gate refuses it, before the parties are looked up."""
    ours = played(stage, "rejected", stage.sign()[:1], "400", hazard="<null>")
    stage.logged(ours.call_id, "REJECTED")


def busy(stage):
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.offered(caller, expert)
    theirs.reply(theirs.invite, 603, "Decline")
    response = caller.final(ours.invite)
    ours.refuse_ack(response)
    equal(response.start, f"SIP/2.0 486 {SAFETY}", "the failure route's answer")
    stage.logged(ours.call_id, "APPROVED", "FAILED")
    stage.seats(0)


def not_for_gate(stage):
    stranger = stage.stranger()
    ours = stranger.invite(stage.gate, "alice@elsewhere.example", "bob@elsewhere.example")
    response = stranger.final(ours.invite)
    ours.refuse_ack(response)
    equal(response.start, "SIP/2.0 480 not_for_gate", "the resumed route's answer")
    equal(stage.entries(ours.call_id), [], "the log")


def refused_by_script(stage):
    caller = stage.caller()
    ours = stage.invite(caller, extra=[("Subject", "not here")])
    stage.refused(ours, 480, "the script's answer")
    stage.logged(ours.call_id, "APPROVED", "FAILED")
    stage.seats(0)


def main():
    stage = Stage()
    stage.scene("answered", answered)
    stage.scene("busy", busy)
    stage.scene("not for the gate", not_for_gate)
    stage.scene("refused by the script", refused_by_script)
    if SHADOW:
        stage.scene("let pass by shadow mode", let_pass)
        stage.scene("without a hazard", let_pass_without_hazard)
    stage.end()


main()
