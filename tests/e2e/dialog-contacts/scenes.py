"""Contacts that spell something else than the address at which their phone is heard."""

from sip.message import uri_of
from sip.stage import Stage, equal


def contacts(ip, port, victim):
    third = f"{victim.ip}:{victim.port}"
    return [
        ("private address", "<sip:phone@10.1.2.3:5060>"),
        ("host name", "<sip:phone@phone.lan:5060>"),
        ("host name without port", "<sip:phone@phone.lan>"),
        ("sips without port", f"<sips:phone@{ip}>"),
        ("transport=tls without port", f"<sip:phone@{ip};transport=tls>"),
        ("no port, no user", f"<sip:{ip}>"),
        ("own stale alias", f"<sip:phone@{ip}:{port};alias=10.9.9.9~5060~1>"),
        ("alias of a third party", f"<sip:phone@{ip}:{port};alias={victim.ip}~{victim.port}~1>"),
        ("maddr", f"<sip:phone@phone.lan:{port};maddr={ip}>"),
        ("maddr of a third party", f"<sip:phone@{ip}:{port};maddr={victim.ip}>"),
        ("address of a third party", f"<sip:phone@{third}>"),
        ("no brackets", f"sip:phone@{ip}:{port}"),
        (
            "parameters and a display name",
            f'"A, B" <sip:phone@{ip}:{port};ob;x=1>;expires=60;+sip.instance="<u>"',
        ),
        ("a long user part", f"<sip:{'u' * 200}@{ip}:{port}>"),
    ]


def play(stage, contact_of, whose, who):
    victim = stage.stranger()
    caller, expert = stage.caller(), stage.expert()
    odd = caller if whose == "caller" else expert
    odd.contact = contact_of(odd, victim)
    if odd.contact == f"<sip:{odd.ip}>":
        # Without a port it is 5060 (RFC 3261 19.1.2): the phone listens there too.
        stage.endpoint(f"{odd.name} at 5060", odd.ip, 5060).handler = lambda _, message: odd.put(
            message
        )
    ours, theirs = stage.answered(caller, expert)
    sides = {"caller": (ours, theirs), "expert": (theirs, ours)}
    # The side that was given the Contact uses it; the ACK has done so in one direction.
    near, far = sides["expert" if whose == "caller" else "caller"]
    info = stage.carried(near, far, "INFO")
    equal(info.ruri, uri_of(odd.contact), "the Request-URI at the phone")
    stage.hang_up(*sides[who])
    stage.seats(0)
    stage.ping(victim)
    equal([str(request) for request in victim.holds()], [], "what the third party got")


def main():
    stage = Stage()
    for index, (name, _) in enumerate(contacts("", 0, Nowhere())):
        for whose in ("expert", "caller"):
            for who in ("expert", "caller"):

                def contact_of(odd, victim, index=index):
                    return contacts(odd.ip, odd.port, victim)[index][1]

                stage.scene(
                    f"{name} of the {whose}, the {who} hangs up", play, contact_of, whose, who
                )
    stage.end()


class Nowhere:
    ip, port = "", 0


main()
