"""A callee's proxy that record-routes itself as something else than it was heard as."""

from sip.party import Proxy
from sip.stage import Stage


def shapes(stage):
    """(name, addresses that the proxy listens on, its Record-Route values, names that are itself).
    """
    ip, port = stage.address("EXPERT")
    other, _ = stage.address("SPARE")
    here = (ip, port)
    name = "proxy.expert.example"
    return [
        ("own address", [here], [f"<sip:{ip}:{port};lr>"], []),
        ("another port", [here, (ip, port + 1)], [f"<sip:{ip}:{port + 1};lr>"], []),
        ("no port", [here, (ip, 5060)], [f"<sip:{ip};lr>"], []),
        ("another address", [here, (other, 5064)], [f"<sip:{other}:5064;lr>"], []),
        ("a host name", [here], [f"<sip:{name};lr>"], [(name, 5060)]),
        (
            "two values, the outer one as heard",
            [here, (other, 5064)],
            [f"<sip:{other}:5064;lr;r2=on>", f"<sip:{ip}:{port};lr;r2=on>"],
            [],
        ),
        (
            "two values, the outer one of its inner side",
            [here],
            [f"<sip:{ip}:{port};lr;r2=on>", "<sip:10.9.8.7:5060;lr;r2=on>"],
            [("10.9.8.7", 5060)],
        ),
        ("transport=tcp", [here], [f"<sip:{ip}:{port};transport=tcp;lr>"], []),
        ("a user part and a strict router", [here], [f"<sip:dialog42@{ip}:{port}>"], []),
    ]


def play(stage, addresses, record_routes, names, who):
    phone = stage.phone("phone", stage.address("EXPERT")[0], 5090)
    proxy = Proxy(stage, "proxy", addresses, record_routes, [phone], names)
    for own, port in names:
        stage.names[own, port] = addresses[0]
    caller = stage.caller()
    ours, theirs = stage.answered(caller, phone)
    # The phone hands all requests to its own proxy.
    theirs.hop = (proxy.ends[0].ip, proxy.ends[0].port)
    stage.seats(1)
    if who == "caller":
        stage.hang_up(ours, theirs)
    else:
        stage.hang_up(theirs, ours)
    stage.logged(ours.call_id, "APPROVED", "CONNECTED", "ACK", "BYE", "TERMINATED")
    stage.seats(0)


def main():
    stage = Stage()
    for name, addresses, record_routes, names in shapes(stage):
        for who in ("caller", "callee"):
            stage.scene(f"{name}, the {who} hangs up", play, addresses, record_routes, names, who)
    stage.end()


main()
