"""Target refresh by phones behind NAT, in requests and in their answers."""

from sip.stage import Stage

PRIVATE = {"expert": "<sip:expert@10.0.0.7:5060>", "caller": "<sip:council@192.168.1.4:5062>"}


def play(stage, natted, refreshes, who):
    """`refreshes` are (who sends it, method); then a side hangs up."""
    caller = stage.caller(contact=PRIVATE["caller"] if "caller" in natted else None)
    expert = stage.expert(contact=PRIVATE["expert"] if "expert" in natted else None)
    ours, theirs = stage.answered(caller, expert)
    sides = {"caller": (ours, theirs), "expert": (theirs, ours)}
    events = ["APPROVED", "CONNECTED", "ACK", "BYE", "TERMINATED"]
    for sender, method in refreshes:
        stage.refreshed(*sides[sender], method)
        events += ["REINVITE", "REINVITE", *(["ACK"] if method == "INVITE" else [])]
    stage.hang_up(*sides[who])
    stage.logged(ours.call_id, *events)
    stage.seats(0)


def main():
    stage = Stage()
    shapes = [
        ("the caller holds a phone behind NAT", ["expert"], [("caller", "INVITE")]),
        ("the caller holds and resumes", ["expert"], [("caller", "INVITE"), ("caller", "INVITE")]),
        ("the caller updates a phone behind NAT", ["expert"], [("caller", "UPDATE")]),
        ("a phone behind NAT refreshes its session", ["expert"], [("expert", "INVITE")]),
        ("a phone behind NAT updates", ["expert"], [("expert", "UPDATE"), ("caller", "UPDATE")]),
        ("the expert holds a caller behind NAT", ["caller"], [("expert", "INVITE")]),
        (
            "both behind NAT, both refresh",
            ["caller", "expert"],
            [("caller", "INVITE"), ("expert", "UPDATE")],
        ),
    ]
    for name, natted, refreshes in shapes:
        for who in ("caller", "expert"):
            stage.scene(f"{name}, the {who} hangs up", play, natted, refreshes, who)
    stage.end()


main()
