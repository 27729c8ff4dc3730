"""Parts of a message that are too long."""

from sip.message import Message
from sip.party import unique
from sip.stage import Stage, equal

LONG = 1100


def in_dialog(stage, method):
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    here = f"{theirs.phone.ip}:{theirs.phone.port}"
    shapes = [
        (f"sip:expert@{here};alias={'1' * LONG}~5060~1", 414),
        (f"sip:{'u' * LONG}@{here}", 414),
        (f"sip:expert@{'h' * LONG}", 414),
        (f"sip:expert@{'h' * 300}", 414),
        (f"sip:expert@{here};{'p' * 700}", 414),
    ]
    for ruri, wanted in shapes:
        request = ours.build(method)
        request.start = f"{method} {ruri} SIP/2.0"
        ours.phone.send(request, stage.gate)
        if method != "ACK":
            equal(ours.phone.final(request).code, wanted, f"{method} {ruri[:40]}")
    stage.ping(ours.phone)
    equal(theirs.phone.holds(lambda m: m.is_request()), [], "requests at the phone")
    stage.hang_up(ours, theirs)
    stage.seats(0)


def caller_request(stage, caller):
    headers = [
        ("Via", caller.via()),
        ("Max-Forwards", "70"),
        ("From", "<sip:council@council.example>;tag=t1"),
    ]
    headers += [("To", "<sip:expert-safety@external.advisor>"), ("Call-ID", unique("bound-"))]
    headers += [("CSeq", "1 INVITE"), ("Contact", caller.contact), *stage.sign()]
    return Message("INVITE sip:expert-safety@external.advisor SIP/2.0", headers)


def headers(stage):
    caller = stage.caller()
    shapes = [
        ("From", [f"<sip:{'u' * LONG}@council.example>;tag=a"]),
        ("From", [f"<sip:council@council.example>;tag={'t' * 300}"]),
        ("To", [f"<sip:{'u' * LONG}@external.advisor>"]),
        ("Call-ID", ["c" * 300]),
        ("Contact", [f"<sip:{'u' * LONG}@{caller.ip}>"]),
        ("Contact", [caller.contact, f"<sip:{'u' * LONG}@{caller.ip}>"]),
        ("Via", [caller.via("b" * 600)]),
        ("X-Long", ["x" * 5000]),
        ("X-Many", ["x"] * 150),
    ]
    for name, values in shapes:
        request = caller_request(stage, caller)
        request.put(name, values)
        caller.send(request, stage.gate)
        equal(caller.final(request).code, 400, f"{name}: {values[0][:30]}")


def long_contact(stage):
    """A callee's Contact of that length: the caller's ACK and BYE do no harm."""
    caller = stage.caller()
    expert = stage.expert()
    expert.contact = f"<sip:{'u' * LONG}@{expert.ip}:{expert.port}>"
    ours, theirs = stage.offered(caller, expert)
    theirs.reply(theirs.invite, 200)
    ours.establish(caller.final(ours.invite))
    ours.ack()
    equal(ours.ask("BYE").code, 414, "BYE to a Contact that is too long")
    # The callee can still hang up.
    stage.hang_up(theirs, ours)
    stage.seats(0)


def main():
    stage = Stage()
    for method in ("INFO", "BYE", "ACK", "INVITE"):
        stage.scene(f"{method} in a dialog", in_dialog, method)
    stage.scene("header fields of a new call", headers)
    stage.scene("a callee with a long Contact", long_contact)
    stage.end()


main()
