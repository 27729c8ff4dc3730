"""Header fields that make a phone do more than was allowed."""

from sip.stage import COUNCIL, SAFETY, Stage, equal

UNVOUCHED = [
    ("Replaces", "12345@other;to-tag=a;from-tag=b"),
    ("Join", "12345@other;to-tag=a;from-tag=b"),
    ("Target-Dialog", "12345@other;local-tag=a;remote-tag=b"),
    ("Refer-To", "<sip:victim@192.0.2.66>"),
    ("r", "<sip:victim@192.0.2.66>"),
    ("Referred-By", "<sip:boss@council.example>"),
    ("b", "<sip:boss@council.example>"),
    ("Answer-Mode", "Auto;require"),
    ("Priv-Answer-Mode", "Auto"),
    ("Alert-Info", "<http://127.0.0.1>;info=alert-autoanswer"),
    ("call-info", "<sip:127.0.0.1>;answer-after=0"),
    ("P-Asserted-Identity", "<sip:boss@council.example>"),
    ("P-PREFERRED-IDENTITY", "<sip:boss@council.example>"),
    ("Remote-Party-ID", "<sip:boss@council.example>"),
    ("Diversion", "<sip:boss@council.example>"),
    ("History-Info", "<sip:boss@council.example>"),
    ("X-IF-Witness-Hash", "sha256:" + "0" * 64),
]
HARMLESS = [("Subject", "a subject"), ("X-Other", "kept"), ("User-Agent", "phone")]


def only_harmless(message, hashes):
    names = {name.lower() for name, _ in UNVOUCHED} - {"x-if-witness-hash"}
    there = sorted({name.lower() for name, _ in message.headers} & names)
    equal(there, [], f"what {message.method} has brought")
    for name, value in HARMLESS:
        equal(message.get(name), value, f"{name} of {message.method}")
    found = message.all("x-if-witness-hash")
    equal(("sha256:" + "0" * 64 in found, len(found)), (False, hashes), "X-IF-Witness-Hash")


def call(stage, caller, callee, **who):
    extra = UNVOUCHED + HARMLESS
    ours = stage.invite(caller, extra=extra, **who)
    invite = callee.expect("INVITE", ours.call_id)
    only_harmless(invite, 1)
    theirs = callee.answering(invite)
    theirs.reply(invite, 200)
    ours.establish(caller.final(ours.invite))
    ours.ack()
    callee.expect("ACK", ours.call_id)
    for side, other in ((ours, theirs), (theirs, ours)):
        for method in ("INFO", "UPDATE", "INVITE"):
            request = side.send(method, extra)
            received = other.phone.expect(method, side.call_id)
            only_harmless(received, 0)
            other.reply(received, 200)
            response = side.phone.final(request)
            if method == "INVITE":
                side.ack(response)
                other.phone.expect("ACK", side.call_id)
    stage.hang_up(ours, theirs)


def to_expert(stage):
    call(stage, stage.caller(), stage.expert())


def to_council(stage):
    gateway = stage.phone("gateway", *stage.address("GATEWAY"))
    call(stage, stage.expert(), gateway, caller_aor=SAFETY, callee_aor=COUNCIL, key="safety-2026a")


def evidence_link(stage):
    """A Call-Info without an automatic answer stays: the link to the evidence goes by it."""
    caller, expert = stage.caller(), stage.expert()
    ours = stage.invite(caller, extra=[("Call-Info", "<https://evidence.example/x>;purpose=info")])
    invite = expert.expect("INVITE", ours.call_id)
    equal(invite.get("call-info"), "<https://evidence.example/x>;purpose=info", "Call-Info")
    expert.answering(invite).reply(invite, 486, "Busy Here")
    ours.refuse_ack(caller.final(ours.invite))


def required(stage, options):
    """A Require of an extension that is taken out: 420, in a new call and within one."""
    caller, expert = stage.caller(), stage.expert()
    ours = stage.invite(caller, extra=[("Require", options)])
    refused = caller.final(ours.invite)
    equal(refused.code, 420, f"an INVITE that requires {options}")
    ours.refuse_ack(refused)
    ours, theirs = stage.answered(caller, expert)
    for side in (ours, theirs):
        equal(
            side.ask("INFO", [("Require", options)]).code, 420, f"an INFO that requires {options}"
        )
    equal([m.start for m in expert.holds(lambda m: m.is_request())], [], "requests at the phone")
    stage.hang_up(ours, theirs)
    stage.seats(0)


def sips(stage):
    caller, expert = stage.caller(), stage.expert()
    ours = stage.invite(caller, ruri=f"sips:{SAFETY}")
    refused = caller.final(ours.invite)
    equal((refused.code, refused.get("warning", "")[:3]), (480, "380"), "a sips call over UDP")
    ours.refuse_ack(refused)
    stage.ping(caller)
    equal(expert.holds(), [], "messages at the phone")
    stage.seats(0)


def main():
    stage = Stage()
    stage.scene("to the expert", to_expert)
    stage.scene("to the council", to_council)
    stage.scene("the link to the evidence", evidence_link)
    for options in ("answermode", "Replaces", "100rel,join", "timer, tdialog"):
        stage.scene(f"Require: {options}", required, options)
    stage.scene("sips", sips)
    stage.end()


main()
