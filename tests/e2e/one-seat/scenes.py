"""One signature, several INVITEs."""

from sip.party import unique
from sip.stage import Stage, equal


def attempt(stage, caller, call_id, tag, signed, cseq):
    dialog = caller.invite(
        stage.gate, "council@council.example", "expert-safety@external.advisor", call_id,
        extra=signed, tag=tag, cseq=cseq,
    )
    return dialog


def race(stage, order):
    caller, expert = stage.caller(), stage.expert()
    call_id, tag, signed = unique("seat-"), unique("t"), stage.sign()
    dialogs = [attempt(stage, caller, call_id, tag, signed, cseq) for cseq in order]
    first = expert.expect("INVITE", call_id)
    theirs = expert.answering(first)
    theirs.reply(first, 180, "Ringing")
    codes = [
        caller.final(dialog.invite).code for dialog in dialogs if dialog.invite.seq != first.seq
    ]
    equal([code for code in codes if code not in (486, 403)], [], "codes of the others")
    equal(486 in codes, True, f"486 among {codes}")
    stage.ping(caller)
    equal(
        expert.holds(lambda m: m.is_request() and m.method == "INVITE"),
        [],
        "further INVITEs at the phone",
    )
    stage.seats(1)
    ours = next(dialog for dialog in dialogs if dialog.invite.seq == first.seq)
    theirs.reply(first, 200)
    ours.establish(caller.final(ours.invite))
    ours.ack()
    expert.expect("ACK", call_id)
    ours.seq = max(order)
    stage.hang_up(ours, theirs)
    stage.seats(0)


def again(stage):
    """After a refusal, such as for want of credentials, the same signature may ring once more."""
    caller, expert = stage.caller(), stage.expert()
    call_id, tag, signed = unique("seat-"), unique("t"), stage.sign()
    first = attempt(stage, caller, call_id, tag, signed, 1)
    refusing = expert.answering(expert.expect("INVITE", call_id))
    refusing.reply(refusing.invite, 401, "Unauthorized")
    refused = caller.final(first.invite)
    equal(refused.code, 401, "the refusal")
    first.refuse_ack(refused)
    second = attempt(stage, caller, call_id, tag, signed, 2)
    theirs = expert.answering(expert.expect("INVITE", call_id))
    theirs.reply(theirs.invite, 200)
    second.establish(caller.final(second.invite))
    second.ack()
    expert.expect("ACK", call_id)
    stage.seats(1)
    stage.hang_up(second, theirs)
    stage.seats(0)


def main():
    stage = Stage()
    for order in ((1, 2, 3, 4), (4, 3, 2, 1), (2, 1)):
        stage.scene(f"CSeq {order} at once", race, order)
    stage.scene("once more after a refusal", again)
    stage.end()


main()
