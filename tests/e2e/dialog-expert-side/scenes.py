"""Experts that are reached by a proxy, over TCP, or by a name."""

from sip.party import Proxy
from sip.stage import COUNCIL, SAFETY, Stage


class Behind:
    """The expert's phone behind a proxy; both are at registered addresses."""

    def __init__(self, stage, name=None):
        ip, port = stage.address("EXPERT")
        self.phone = stage.phone(
            "phone", stage.address("SPARE")[0], 5090, contact="<sip:expert@10.1.1.7:5060>"
        )
        self.hop = (ip, port)
        own = [(name, 5060)] if name else []
        Proxy(
            stage, "proxy", [(ip, port)], [f"<sip:{name or f'{ip}:{port}'};lr>"], [self.phone], own
        )


class BehindNamed(Behind):
    """The proxy record-routes a host name."""

    def __init__(self, stage):
        super().__init__(stage, "edge.expert.example")


class OverTcp:
    def __init__(self, stage, contact=None):
        self.phone, self.hop = stage.expert(transport="TCP", contact=contact), None


class ByName:
    def __init__(self, stage):
        self.phone, self.hop = stage.expert(contact="<sip:expert@phone.expert.example>"), None


def expert_calls(stage, party, who, new_connection=False):
    """The expert calls the council, at whose gateway a phone answers."""
    expert = party(stage)
    gateway = stage.phone("gateway", *stage.address("GATEWAY"))
    ours = stage.invite(expert.phone, SAFETY, COUNCIL, key="safety-2026a", through=expert.hop)
    theirs = gateway.answering(gateway.expect("INVITE", ours.call_id))
    theirs.reply(theirs.invite, 180, "Ringing")
    theirs.reply(theirs.invite, 200)
    ours.establish(expert.phone.final(ours.invite))
    ours.hop = expert.hop or stage.gate
    ours.ack()
    gateway.expect("ACK", ours.call_id)
    end(stage, ours, theirs, who, new_connection)


def expert_is_called(stage, party, who, new_connection=False):
    expert, caller = party(stage), stage.caller()
    theirs, ours = stage.answered(caller, expert.phone)
    ours.hop = expert.hop or stage.gate
    end(stage, ours, theirs, who, new_connection)


def end(stage, ours, theirs, who, new_connection):
    """`ours` is the expert's side of the dialog."""
    if new_connection:
        ours.phone.forget_connections()
    stage.seats(1)
    stage.carried(theirs, ours, "INFO")
    stage.carried(ours, theirs, "INFO")
    if who == "expert":
        stage.hang_up(ours, theirs)
    else:
        stage.hang_up(theirs, ours)
    stage.logged(
        ours.call_id, "APPROVED", "CONNECTED", "ACK", "REINVITE", "REINVITE", "BYE", "TERMINATED"
    )
    stage.seats(0)


def main():
    stage = Stage()
    for who in ("expert", "council"):
        stage.scene(f"expert behind a proxy calls, the {who} hangs up", expert_calls, Behind, who)
        stage.scene(
            f"expert behind a named proxy calls, the {who} hangs up", expert_calls, BehindNamed, who
        )
        stage.scene(f"expert over TCP calls, the {who} hangs up", expert_calls, OverTcp, who)
        stage.scene(
            f"expert over TCP calls, new connection, the {who} hangs up",
            expert_calls,
            OverTcp,
            who,
            True,
        )
        stage.scene(f"expert by name calls, the {who} hangs up", expert_calls, ByName, who)
        stage.scene(
            f"expert behind a proxy is called, the {who} hangs up", expert_is_called, Behind, who
        )
        stage.scene(f"expert by name is called, the {who} hangs up", expert_is_called, ByName, who)
    stage.end()


main()
