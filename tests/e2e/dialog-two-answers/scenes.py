"""Two phones behind a forking proxy answer one INVITE."""

from sip.party import Proxy
from sip.stage import Stage, equal


def play(stage, loser, who):
    """`loser` is the leg that is given up, 0 or 1 in the order of the answers; `who` gives it up.
    """
    ip, port = stage.address("EXPERT")
    phones = [stage.phone(f"phone{i}", ip, 5090 + i) for i in range(2)]
    Proxy(stage, "proxy", [(ip, port)], [f"<sip:{ip}:{port};lr>"], phones)
    caller = stage.caller()
    invited = stage.invite(caller)
    theirs = [phone.answering(phone.expect("INVITE", invited.call_id)) for phone in phones]
    ours = []
    for side in theirs:
        side.reply(side.invite, 180, "Ringing")
    for side in theirs:
        side.reply(side.invite, 200)
        leg = invited.fork(caller.final(invited.invite))
        leg.seq += len(ours)
        leg.ack()
        side.phone.expect("ACK", invited.call_id)
        side.hop = (ip, port)
        ours.append(leg)
    lost, won = (ours[loser], theirs[loser]), (ours[1 - loser], theirs[1 - loser])
    stage.seats(1)
    stage.hang_up(*(lost if who == "caller" else reversed(lost)))
    stage.seats(1)
    stage.carried(*won, "INFO")
    stage.carried(*reversed(won), "INFO")
    stage.seats(1)
    stage.hang_up(*(won if who == "caller" else reversed(won)))
    stage.seats(0)
    stage.wait(lambda: stage.events(invited.call_id)[-1:] == ["TERMINATED"])
    events = stage.events(invited.call_id)
    equal(events[-1], "TERMINATED", "the last event of the call")
    # The end of the leg that was given up has two entries, BYE and its answer: the call went on.
    equal(events.count("BYE"), 3, "BYEs in the log")
    equal(events.count("TERMINATED"), 1, "TERMINATED in the log")
    equal(events.count("CONNECTED"), 2, "answers in the log")


def main():
    stage = Stage()
    for loser in (0, 1):
        for who in ("caller", "phone"):
            stage.scene(f"answer {loser + 1} loses, hung up by the {who}", play, loser, who)
    stage.end()


main()
