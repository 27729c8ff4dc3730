"""Phones behind another Kamailio."""

import os

from sip.stage import Stage


def hop(name):
    ip, _, port = os.environ[name].rpartition(":")
    return ip, int(port)


def play(stage, caller_behind, contacts, who):
    caller = stage.caller(contact=contacts[0])
    expert = stage.phone("expert", stage.address("SPARE")[0], 5090, contact=contacts[1])
    first = hop("CALLERS_PROXY") if caller_behind else stage.gate
    ours, theirs = stage.answered(caller, expert, through=first)
    theirs.hop = hop("EXPERTS_PROXY")
    stage.refreshed(ours, theirs)
    stage.refreshed(theirs, ours)
    stage.carried(ours, theirs, "INFO")
    stage.carried(theirs, ours, "INFO")
    sides = (ours, theirs) if who == "caller" else (theirs, ours)
    stage.hang_up(*sides)
    stage.seats(0)


def main():
    stage = Stage()
    natted = ("<sip:council@192.168.7.7:5060>", "<sip:expert@10.7.7.7:5060>")
    for caller_behind in (False, True):
        for name, contacts in (("plain", (None, None)), ("behind NAT", natted)):
            for who in ("caller", "expert"):
                where = "both behind a proxy" if caller_behind else "the expert behind a proxy"
                stage.scene(
                    f"{where}, {name}, the {who} hangs up", play, caller_behind, contacts, who
                )
    stage.end()


main()
