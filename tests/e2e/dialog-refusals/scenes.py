"""Refused requests of a dialog, in the log."""

from sip.stage import Stage, equal, true


def witnessed(stage, call_id, code, seq):
    def there():
        return [
            e
            for e in stage.entries(call_id)
            if e.get("code") == code and e.get("cseq") == seq and e["event"] == "REJECTED"
        ]

    true(stage.wait(there), f"no REJECTED with {code} in the log")
    equal(len(there()), 1, f"entries with {code}")


def not_allowed(stage, method):
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    request = ours.send(method)
    equal(ours.phone.final(request).code, 405, f"the answer to {method}")
    equal(theirs.phone.holds(method), [], f"{method} at the expert")
    witnessed(stage, ours.call_id, 405, request.seq)
    stage.hang_up(ours, theirs)


def from_outside(stage, method):
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    outsider, phone = stage.stranger(), ours.phone
    ours.phone = outsider
    request = ours.send(method)
    equal(outsider.final(request).code, 403, f"the answer to {method}")
    witnessed(stage, ours.call_id, 403, request.seq)
    ours.phone = phone
    stage.hang_up(ours, theirs)


def other_tags(stage, method):
    ours, theirs = stage.answered(stage.caller(), stage.expert())
    remote, ours.remote = ours.remote, ours.remote + "x"
    request = ours.send(method)
    equal(ours.phone.final(request).code, 481, f"the answer to {method}")
    if method == "INVITE":
        witnessed(stage, ours.call_id, 481, request.seq)
    ours.remote = remote
    stage.hang_up(ours, theirs)


def main():
    stage = Stage()
    for method in ("REFER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "FROB"):
        stage.scene(f"405 to {method}", not_allowed, method)
    for method in ("INFO", "BYE", "UPDATE"):
        stage.scene(f"403 to {method}", from_outside, method)
        stage.scene(f"481 to {method}", other_tags, method)
    stage.end()


main()
