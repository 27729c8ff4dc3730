"""One IPv6 address in several spellings."""

from sip.message import uri_of
from sip.party import Proxy
from sip.stage import Stage, equal

# Of 2001:db8::PART.
SPELLINGS = [
    "2001:DB8:0:0:0:0:0:PART",
    "2001:db8::00PART",
    "2001:0db8:0000::PART",
    "2001:db8::0.0.0.PART",
]


def spelt(spelling, ip):
    part = ip.rsplit(":", 1)[1]
    dotted = spelling.endswith("0.0.0.PART")
    return "[" + spelling.replace("PART", str(int(part, 16)) if dotted else part) + "]"


def play(stage, spelling, whose, who):
    caller, expert = stage.caller(), stage.expert()
    odd = caller if whose == "caller" else expert
    odd.contact = f"<sip:{whose}@{spelt(spelling, odd.ip)}:{odd.port}>"
    ours, theirs = stage.answered(caller, expert)
    sides = {"caller": (ours, theirs), "expert": (theirs, ours)}
    near, far = sides["expert" if whose == "caller" else "caller"]
    equal(
        stage.carried(near, far, "INFO").ruri, uri_of(odd.contact), "the Request-URI at the phone"
    )
    stage.refreshed(far, near)
    stage.hang_up(*sides[who])
    stage.seats(0)


def routed(stage, spelling, who):
    """The expert's proxy spells itself so in its Record-Route."""
    ip, port = stage.address("EXPERT")
    phone = stage.phone("phone", ip, 5090)
    own = spelt(spelling, ip)
    Proxy(
        stage, "proxy", [(ip, port)], [f"<sip:{own}:{port};lr>"], [phone], [(own.strip("[]"), port)]
    )
    stage.names[own.strip("[]"), port] = (ip, port)
    ours, theirs = stage.answered(stage.caller(), phone)
    theirs.hop = (ip, port)
    if who == "caller":
        stage.hang_up(ours, theirs)
    else:
        stage.hang_up(theirs, ours)
    stage.seats(0)


def main():
    stage = Stage()
    # Sockets have the address without brackets.
    stage.gate = (stage.gate[0].strip("[]"), stage.gate[1])
    for spelling in SPELLINGS:
        for who in ("caller", "expert"):
            for whose in ("caller", "expert"):
                stage.scene(
                    f"{spelling} in the Contact of the {whose}, the {who} hangs up",
                    play,
                    spelling,
                    whose,
                    who,
                )
            stage.scene(f"{spelling} in Record-Route, the {who} hangs up", routed, spelling, who)
    stage.end()


main()
