"""Contacts that name the proxy."""

from sip.stage import Stage, equal


def loop(stage, contact):
    caller, expert = stage.caller(), stage.expert()
    expert.contact = contact
    ours, theirs = stage.offered(caller, expert)
    theirs.reply(theirs.invite, 200)
    ours.establish(caller.final(ours.invite))
    ours.ack()
    for method in ("INFO", "OPTIONS", "BYE"):
        equal(ours.ask(method).code, 482, f"{method} to {contact}")
    # The callee's side is untouched by its own Contact.
    stage.hang_up(theirs, ours)
    stage.seats(0)


def main():
    stage = Stage()
    ip, port = stage.gate
    for contact in (
        f"<sip:expert@{ip}:{port}>",
        f"<sip:{ip}:{port};transport=tcp>",
        f"<sip:x@10.0.0.1:{port};maddr={ip}>",
    ):
        stage.scene(contact, loop, contact)
    stage.end()


main()
