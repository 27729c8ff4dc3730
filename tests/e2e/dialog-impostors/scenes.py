"""Requests in the name of a party, from somewhere else."""

from sip.message import uri_of
from sip.stage import Stage, equal

METHODS = ("OPTIONS", "INFO", "INVITE", "BYE", "UPDATE", "PRACK", "ACK")


def impostor(stage, phone, side, method):
    """A request that bears the tags of `side`, sent by `phone`: the code of its refusal."""
    request = side.build(method, contact=f"<sip:victim@{stage.victim.ip}:{stage.victim.port}>")
    request.put("Via", [phone.via()])
    phone.send(request, stage.gate, phone.transport)
    return None if method == "ACK" else phone.final(request).code


def impostors(stage, who):
    stage.victim = stage.phone("victim", *stage.address("SPARE"))
    victim = f"<sip:victim@{stage.victim.ip}:{stage.victim.port}>"
    caller, expert = stage.caller(contact=victim), stage.expert(contact=victim)
    outsider = stage.stranger()
    ours, theirs = stage.answered(caller, expert)
    phone, sides = {
        "the caller": (caller, [theirs]),
        "the expert": (expert, [ours]),
        "an outsider": (outsider, [ours, theirs]),
    }[who]
    for side in sides:
        for method in METHODS:
            wanted = None if method == "ACK" else 403
            equal(
                impostor(stage, phone, side, method),
                wanted,
                f"{method} of {who} as {side.phone.name}",
            )
    for party in (caller, expert, outsider, stage.victim):
        stage.ping(party)
    for party in (caller, expert, stage.victim):
        equal(
            [str(m) for m in party.holds(lambda m: m.is_request())], [], f"requests at {party.name}"
        )
    stage.wait(lambda: stage.events(ours.call_id).count("REJECTED") == len(METHODS) * len(sides))
    equal(
        stage.events(ours.call_id).count("REJECTED"),
        len(METHODS) * len(sides),
        "refusals in the log",
    )
    stage.seats(1)
    stage.hang_up(ours, theirs)
    stage.seats(0)


def moves(stage, mover):
    """A party names another address in a re-INVITE, and is then heard from there."""
    caller, expert = stage.caller(), stage.expert()
    there = stage.stranger()
    ours, theirs = stage.answered(caller, expert)
    side, other = (ours, theirs) if mover == "caller" else (theirs, ours)
    stage.refreshed(side, other, contact=there.contact)
    # Not heard from there yet: requests still go where it was heard.
    stage.carried(other, side, "INFO")
    equal(other.target, uri_of(there.contact), "the new target")
    stage.ping(there)
    equal(there.holds(lambda m: m.is_request()), [], "requests at the new address")
    side.phone = there
    stage.carried(side, other, "INFO")
    stage.carried(other, side, "INFO")
    stage.hang_up(other, side)
    stage.seats(0)


def elsewhere(stage):
    """The Request-URI and the Route of a party name targets that the other side never gave."""
    victim = stage.stranger()
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    there = f"{victim.ip}:{victim.port}"
    for shape in ("ruri", "route"):
        request = ours.build("INFO")
        if shape == "ruri":
            request.start = f"INFO sip:x@{there} SIP/2.0"
        else:
            request.put("Route", [*request.all("route"), f"<sip:{there};lr>"])
        ours.phone.send(request, stage.gate)
        equal(ours.phone.final(request).code, 403, f"INFO with another {shape}")
    stage.ping(victim)
    equal(victim.holds(lambda m: m.is_request()), [], "requests at the third party")
    stage.hang_up(ours, theirs)


def methods(stage):
    """A method that has no business in a dialog is refused, and witnessed."""
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    for method in ("REFER", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH", "REGISTER", "UNKNOWN"):
        refused = ours.ask(method)
        equal((refused.code, bool(refused.get("allow"))), (405, True), method)
    stage.wait(lambda: stage.events(ours.call_id).count("REJECTED") == 7)
    equal(stage.events(ours.call_id).count("REJECTED"), 7, "refusals in the log")
    stage.hang_up(ours, theirs)


def main():
    stage = Stage()
    for who in ("the caller", "the expert", "an outsider"):
        stage.scene(f"{who} in another's name", impostors, who)
    for mover in ("caller", "expert"):
        stage.scene(f"the {mover} moves", moves, mover)
    stage.scene("a party names another address", elsewhere)
    stage.scene("methods that have no business here", methods)
    stage.end()


main()
