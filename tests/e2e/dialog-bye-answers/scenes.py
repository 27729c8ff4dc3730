"""Which answers to a BYE end the call (RFC 3261 15.1.1 and 12.2.1.2)."""

from sip.stage import Stage, equal

GOES_ON = [
    (401, "Unauthorized"),
    (407, "Proxy Authentication Required"),
    (404, "Not Found"),
    (403, "Forbidden"),
    (500, "Error"),
]
ENDS = [
    (200, "OK"),
    (481, "Call/Transaction Does Not Exist"),
    (408, "Request Timeout"),
    (None, "silence"),
]


def sides(stage, who):
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    return (ours, theirs) if who == "caller" else (theirs, ours)


def goes_on(stage, code, reason, who):
    near, far = sides(stage, who)
    bye = near.send("BYE")
    far.reply(far.phone.expect("BYE", near.call_id), code, reason)
    equal(near.phone.final(bye).code, code, "the answer to the first BYE")
    stage.ping(near.phone)
    equal(stage.events(near.call_id).count("TERMINATED"), 0, "TERMINATED while the call is up")
    stage.seats(1)
    stage.carried(near, far, "INFO")
    stage.hang_up(near, far)
    stage.seats(0)
    # The refused BYE has two entries, the request and its answer.
    stage.logged(
        near.call_id, "APPROVED", "CONNECTED", "ACK", "BYE", "BYE", "REINVITE", "BYE", "TERMINATED"
    )


def ends(stage, code, reason, who):
    near, far = sides(stage, who)
    bye = near.send("BYE")
    received = far.phone.expect("BYE", near.call_id)
    if code:
        far.reply(received, code, reason)
    equal(near.phone.final(bye).code, code or 408, "the answer to the BYE")
    stage.logged(near.call_id, "APPROVED", "CONNECTED", "ACK", "BYE", "TERMINATED")
    stage.seats(0)


def main():
    stage = Stage()
    for who in ("caller", "expert"):
        for code, reason in GOES_ON:
            stage.scene(f"{code} to the BYE of the {who}", goes_on, code, reason, who)
        for code, reason in ENDS:
            stage.scene(f"{code or reason} to the BYE of the {who}", ends, code, reason, who)
    stage.end()


main()
