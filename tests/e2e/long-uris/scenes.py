"""URI parts that are longer than any buffer that a module has for them."""

from sip.stage import Stage, equal, one_of

LENGTHS = (1100, 4000)


def targets(ip, port, length):
    long = "a" * length
    return [
        ("alias", f"sip:x@{ip}:{port};alias={long}"),
        ("alias of numbers", f"sip:x@{ip}:{port};alias={'1' * length}~5060~1"),
        ("alias after a long user", f"sip:{long}@{ip}:{port};alias={ip}~{port}~1"),
        ("alias before long parameters", f"sip:x@{ip}:{port};alias={ip}~{port}~1;p={long}"),
        ("user", f"sip:{long}@{ip}:{port}"),
        ("host", f"sip:x@{long}.example"),
        ("parameters", f"sip:x@{ip}:{port};p={long}"),
        ("maddr", f"sip:x@{ip}:{port};maddr={long}"),
        ("headers", f"sip:x@{ip}:{port}?h={long}"),
    ]


def in_dialog(stage, index, length, transport):
    """Requests of a party with a long Request-URI."""
    caller, expert = stage.caller(transport=transport), stage.expert()
    ours, theirs = stage.answered(caller, expert)
    target, ours.target = ours.target, targets(expert.ip, expert.port, length)[index][1]
    for method in ("INFO", "UPDATE", "BYE"):
        one_of(ours.ask(method).code, (400, 403, 414, 416, 420, 513), f"the answer to {method}")
    ours.ack()
    ours.target = target
    equal(
        [request.start for request in expert.holds(lambda message: message.is_request())],
        [],
        "at the expert",
    )
    stage.hang_up(ours, theirs)
    stage.seats(0)


def from_outside(stage, index, length, transport):
    """A new call, and a request of no call, to a long Request-URI or with one in Route and Contact.
    """
    caller = stage.caller(transport=transport)
    uri = targets(*stage.address("EXPERT"), length)[index][1]
    call = stage.invite(caller, ruri=uri)
    response = caller.final(call.invite)
    one_of(response.code, (400, 403, 404, 414, 416, 513), "the answer to INVITE")
    call.refuse_ack(response)
    call = stage.invite(caller, extra=[("Route", f"<{uri};lr>")], contact=f"<{uri}>")
    response = caller.final(call.invite)
    one_of(
        response.code,
        (400, 403, 404, 408, 414, 416, 503, 513),
        "the answer to INVITE with a long Contact",
    )
    call.refuse_ack(response)
    stage.seats(0)


def answered_so(stage, index, length):
    """The expert's 200 has the long Contact: the caller's innocent ACK and BYE use it."""
    caller, expert = stage.caller(), stage.expert()
    expert.contact = f"<{targets(expert.ip, expert.port, length)[index][1]}>"
    ours = stage.invite(caller)
    theirs = expert.answering(expert.expect("INVITE"))
    theirs.reply(theirs.invite, 180, "Ringing")
    theirs.reply(theirs.invite, 200)
    response = caller.final(ours.invite)
    one_of(response.code, (200, 400, 408, 414, 500, 502, 513), "the answer to INVITE")
    if response.code == 200:
        ours.establish(response)
        ours.ack()
        bye = ours.send("BYE")
        if stage.wait(
            lambda: expert.holds("BYE") or caller.holds(lambda m: m.code and m.seq == bye.seq)
        ):
            for received in expert.holds("BYE"):
                theirs.reply(received, 200)
        one_of(caller.final(bye).code, (200, 400, 403, 414, 513), "the answer to BYE")
    stage.rpc("core.uptime")


def main():
    stage = Stage()
    for length in LENGTHS:
        for index, (name, _) in enumerate(targets("", 0, 1)):
            # A datagram takes less than 64 KB, and Kamailio's buffer for one as much.
            for transport in ("UDP", "TCP"):
                stage.scene(
                    f"in a dialog over {transport}: {name} of {length}",
                    in_dialog,
                    index,
                    length,
                    transport,
                )
                stage.scene(
                    f"from outside over {transport}: {name} of {length}",
                    from_outside,
                    index,
                    length,
                    transport,
                )
            stage.scene(f"in the answer: {name} of {length}", answered_so, index, length)
    stage.end()


main()
