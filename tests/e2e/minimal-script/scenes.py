"""Calls through a script that knows one function of the module."""

import sys

from sip.stage import Stage, equal


def answered(stage, who):
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    stage.seats(1)
    stage.refreshed(ours, theirs)
    stage.carried(theirs, ours, "INFO")
    stage.hang_up(*((ours, theirs) if who == "caller" else (theirs, ours)))
    stage.logged(
        ours.call_id,
        *("APPROVED", "CONNECTED", "ACK"),
        *("REINVITE", "REINVITE", "ACK"),
        *("REINVITE", "BYE", "TERMINATED"),
    )
    equal(stage.events(ours.call_id).count("RINGING"), 1, "RINGING in the log")
    stage.seats(0)


def refused(stage):
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.offered(caller, expert)
    theirs.reply(theirs.invite, 486, "Busy Here")
    stage.refused(ours, 486, "the refusal")
    failed(stage, ours, 486)


def cancelled(stage):
    ours = stage.cancelled(stage.caller(), stage.expert())
    failed(stage, ours, 487)


def silent(stage, rings):
    """No answer: the timer's 408."""
    caller, expert = stage.caller(), stage.expert()
    ours, theirs = stage.offered(caller, expert)
    if rings:
        theirs.reply(theirs.invite, 180, "Ringing")
    stage.refused(ours, 408, "the end of the INVITE")
    failed(stage, ours, 408)


def failed(stage, ours, code):
    def there():
        return [
            entry.get("code") for entry in stage.entries(ours.call_id) if entry["event"] == "FAILED"
        ]

    stage.wait(there)
    equal(there(), [code], "FAILED in the log")
    stage.seats(0)


def hang_up_unanswered(stage):
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    bye = ours.send("BYE")
    theirs.phone.expect("BYE", ours.call_id)
    equal(ours.phone.final(bye).code, 408, "the answer to the BYE")
    stage.logged(ours.call_id, "APPROVED", "CONNECTED", "ACK", "BYE", "TERMINATED")
    stage.seats(0)


def forgotten(stage):
    """The script makes a transaction, and ends without relaying or answering it."""
    ours = stage.invite(stage.caller(), extra=[("X-Test", "forgotten")])
    stage.wait(lambda: "FAILED" in stage.events(ours.call_id), 30.0)
    stage.logged(ours.call_id, "APPROVED", "FAILED")
    stage.seats(0)


def sent_again(stage):
    """Answered without state in spite of its transaction, and sent again: when tm frees that
    transaction, the phone of the second attempt rings.
    """
    caller, expert = stage.caller(), stage.expert()
    ours = stage.invite(caller, extra=[("X-Test", "stateless")])
    stage.refused(ours, 480, "the script's answer")
    again = ours.invite.copy()
    again.put("CSeq", ["2 INVITE"])
    again.put("X-Test", [])
    again.put("Via", [again.get("via").replace("branch=z9hG4bK", "branch=z9hG4bK2")])
    ours.invite = again
    caller.send(again, stage.gate)
    theirs = expert.answering(expert.expect("INVITE", ours.call_id))
    theirs.reply(theirs.invite, 180, "Ringing")
    stage.wait(lambda: stage.events(ours.call_id).count("FAILED") > 1, 4.0)
    stage.seats(1)
    theirs.reply(theirs.invite, 200)
    ours.establish(caller.final(again))
    ours.ack()
    expert.expect("ACK", ours.call_id)
    stage.hang_up(ours, theirs)
    first, second = ("APPROVED", "FAILED"), ("APPROVED", "CONNECTED", "ACK", "BYE", "TERMINATED")
    stage.logged(ours.call_id, *first, *second)
    stage.seats(0)


def main():
    stage = Stage()
    if sys.argv[1:] == ["ringing"]:
        stage.scene("a phone rings", lambda stage: stage.ringing(stage.caller(), stage.expert()))
        stage.end()
    for who in ("caller", "expert"):
        stage.scene(f"answered, the {who} hangs up", answered, who)
    stage.scene("busy", refused)
    stage.scene("cancelled", cancelled)
    for rings in (False, True):
        stage.scene("nobody answers" + (", though it rings" if rings else ""), silent, rings)
    stage.scene("the BYE is not answered", hang_up_unanswered)
    stage.scene("left by the script", forgotten)
    stage.scene("sent again", sent_again)
    stage.end()


main()
