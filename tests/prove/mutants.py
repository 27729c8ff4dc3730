"""Sends mutants to the proxy and judges what reaches experts and third addresses, who dies, and
what memory does.

Each base message bears X-Mutant with its class: `invite` (signed, from the council's network),
`party` (in a dialog, from a
party's address), `outsider` (in a dialog, from a stranger's), `reply`. An expert may get an INVITE
whose signed headers
are those of a signature made here, and requests of class `party` in a dialog that is known; nothing
else. THIRD gets nothing.
"""

import collections
import os
import pathlib
import random
import re
import sys
import time

import mutate
import sip
import stream
import watch

COUNT = (
    {"UDP": 1800, "TCP": 800, "TLS": 400}
    if sip.SHORT
    else {"UDP": 60000, "TCP": 25000, "TLS": 15000}
)
# Kamailio finds the end of a message on a stream before anything unfolds it, and takes no folded
# Content-Length.
KEPT = {True: (b"x-if-",), False: (b"x-if-", b"content-length")}
VALID = 150 if sip.SHORT else 2000
CHUNK = 500
DIALOGS = 8
TAGGED = re.compile(rb"(?i)[\r\n](?:to|t)\s*:[^\r\n]*;\s*tag\s*=")


class Ledger:
    """What experts got that they must not have got, and how often a signature came through."""

    def __init__(self):
        self.signed, self.calls = {}, set()
        self.through = []
        self.by_trace = collections.defaultdict(set)
        self.got = 0

    def on(self, phone, message, raw, peer):
        self.got += 1
        kind = message.get("x-mutant")
        call_id = message.get("call-id")
        if message.method is None:
            return True
        if message.method == "INVITE" and not TAGGED.search(raw.partition(b"\r\n\r\n")[0]):
            trace = message.get("x-if-trace-id")
            signed = self.signed.get(trace)
            right = signed and (message.get("x-if-signature"), message.get("x-if-hazard")) == signed
            if not right:
                self.through.append(("unsigned INVITE", raw))
            self.by_trace[trace].add(call_id)
            self.calls.add(call_id)
            return False
        if kind == "outsider":
            self.through.append((f"an outsider's {message.method}", raw))
        elif call_id not in self.calls:
            self.through.append((f"{message.method} of no call", raw))
        return False


class Attack:
    def __init__(self):
        self.rng = random.Random(sip.SEED)
        self.ledger = Ledger()
        self.third, self.resolver = sip.Third(), sip.Resolver()
        self.phones = [sip.Phone(ip, on=self.ledger.on, keep=False) for ip in sip.EXPERTS[:2]]
        for thread in (self.third, self.resolver, *self.phones):
            thread.start()
        self.caller = sip.Caller(sip.CALLERS[0], talk_s=None, prefix="held")
        self.socks = {ip: sip.udp(ip) for ip in sip.CALLERS[1:] + sip.STRANGERS}
        self.streams = {}
        self.signatures, self.signed_at = [], 0
        self.deaths, self.recent = 0, collections.deque(maxlen=CHUNK)
        self.number = 0
        self.main = watch.main_pid()
        self.proxied = []

    def signature(self):
        """A fresh signature, used once in ten times twice."""
        if not self.signatures or time.time() - self.signed_at > 40:
            self.signatures = sip.sign(400 if sip.SHORT else 3000)
            self.signed_at = time.time()
            for s in self.signatures:
                self.ledger.signed[s["trace_id"]] = (s["signature"], s["hazard"])
        return self.signatures.pop() if self.rng.random() > 0.1 else self.signatures[-1]

    def hold_calls(self):
        """New dialogs in place of those that mutants have ended."""
        self.caller.dialogs.clear()
        for signed in sip.sign(DIALOGS):
            self.number += 1
            self.ledger.signed[signed["trace_id"]] = (signed["signature"], signed["hazard"])
            self.caller.place(signed, f"{self.number}")
        end = time.time() + 3
        while len(self.caller.dialogs) < DIALOGS and time.time() < end:
            self.caller.turn()

    def invite(self, local):
        self.number += 1
        signed = self.signature() if self.rng.random() < 0.5 else None
        more = [("X-Mutant", "invite")]
        return sip.invite(
            signed, f"m{self.number}@caller.example", local, f"m{self.number}", "mt", more=more
        )

    def within(self, local, kind):
        if not self.caller.dialogs:
            return self.invite(local)
        self.number += 1
        reply, routes = self.rng.choice(list(self.caller.dialogs.values()))
        method = self.rng.choice(
            (
                "INFO",
                "BYE",
                "UPDATE",
                "INVITE",
                "ACK",
                "OPTIONS",
                "PRACK",
                "CANCEL",
                "REFER",
                "MESSAGE",
            )
        )
        ends = [("From", reply.get("from")), ("To", reply.get("to"))]
        if self.rng.random() < 0.3:
            ends = [("From", reply.get("to")), ("To", reply.get("from"))]
        contacts = ("x@" + local, "x@203.0.113.200:5060", "x@third.example")
        headers = [
            ("Via", f"SIP/2.0/UDP {local};branch=z9hG4bKd{self.number};rport"),
            ("Max-Forwards", "70"),
            *routes,
            *ends,
            ("Call-ID", reply.get("call-id")),
            ("CSeq", f"{self.number + 1} {method}"),
            ("Contact", f"<sip:{self.rng.choice(contacts)}>"),
            ("X-Mutant", kind),
        ]
        uri = self.rng.choice(
            (reply.contact_uri(), "sip:x@203.0.113.200", f"sip:{sip.SAFETY}", "sip:x@third.example")
        )
        return sip.message(
            f"{method} {uri} SIP/2.0", headers, sip.SDP if method in ("INVITE", "UPDATE") else b""
        )

    def reply(self, local):
        call = self.rng.choice(list(self.phones[0].calls.values()) or [None])
        if call is None:
            return self.invite(local)
        request, tag, _ = call
        raw = sip.reply_to(
            request,
            self.rng.choice((100, 180, 200, 302, 404, 486, 603)),
            "X",
            tag,
            f"sip:x@{sip.THIRD}",
            sip.SDP,
        )
        if self.rng.random() < 0.5:
            # The second Via leads the reply on; its received and rport would lead elsewhere.
            raw = re.sub(
                rb"(\r\nVia: [^\r]*\r\nVia: SIP/2.0/UDP )[^\r]*",
                rb"\g<1>%s;branch=z9hG4bKthird" % sip.THIRD.encode(),
                raw,
                count=1,
            )
        return raw.replace(b"\r\nCall-ID", b"\r\nX-Mutant: reply\r\nCall-ID", 1)

    def base(self, address, local):
        draw = self.rng.random()
        if draw < 0.45:
            return self.invite(local)
        if draw < 0.85:
            return self.within(local, "party" if address in sip.CALLERS else "outsider")
        return self.reply(local)

    def send(self, transport, raw, address):
        if transport == "UDP":
            try:
                self.socks[address].sendto(raw, sip.PROXY)
            except OSError:
                pass
            return
        link, used = self.streams.pop((transport, address), (None, 0))
        try:
            if link is None or used > 25:
                if link:
                    link.close()
                link, used = stream.Stream(address, transport == "TLS"), 0
            link.send(raw)
            while link.read(0):
                link.buffer = b""
            self.streams[transport, address] = (link, used + 1)
        except OSError:
            if link:
                link.close()

    def drain(self):
        for sock in self.socks.values():
            sock.setblocking(False)
            try:
                while True:
                    sock.recv(65535)
            except OSError:
                pass
        self.caller.turn(0)

    def alive(self):
        """Notices a death, keeps the last datagram, and waits for the next start."""
        now = watch.main_pid()
        if now == self.main and watch.processes():
            return
        self.deaths += 1
        where = pathlib.Path(os.environ["STACK"], "deaths", str(self.deaths))
        where.mkdir(parents=True)
        for i, (names, raw) in enumerate(self.recent):
            (where / f"{i:03d}-{names[:60]}").write_bytes(raw)
        end = time.time() + 30
        while time.time() < end and (
            watch.main_pid() in (None, self.main) or not watch.rpc("core.uptime")
        ):
            time.sleep(0.1)
        self.main = watch.main_pid()
        self.hold_calls()

    def mutants(self, transport, count):
        addresses = sip.CALLERS[1:] + sip.STRANGERS
        for i in range(count):
            if i % CHUNK == 0:
                self.alive()
                self.drain()
                if i % (CHUNK * 2) == 0:
                    self.hold_calls()
            address = self.rng.choice(addresses)
            raw, names = mutate.mutant(
                self.rng,
                self.base(address, f"{address}:5060"),
                self.base(address, f"{address}:5060"),
            )
            self.recent.append((names, raw))
            self.send(transport, raw, address)
            if transport == "UDP" and i % 20 == 0:
                time.sleep(0.005)
        time.sleep(1)
        self.alive()

    def wants_answer(self, address, local, transport):
        self.number += 1
        method = self.rng.choice(
            ("OPTIONS", "INVITE", "REGISTER", "MESSAGE", "INFO", "SUBSCRIBE", "PUBLISH", "FOO")
        )
        headers = [
            ("Via", f"SIP/2.0/{transport} {local};branch=z9hG4bKv{self.number};rport"),
            ("Max-Forwards", str(self.rng.choice((1, 70, 255)))),
            ("From", '"A \\" B" <sip:a@stranger.example>;tag=v'),
            ("To", f"<sip:{sip.SAFETY}>" + (";tag=unknown" if method == "INFO" else "")),
            ("Call-ID", f"v{self.number}@stranger.example"),
            ("CSeq", f"{self.rng.choice((1, 2**31 - 1))} {method}"),
            ("Contact", f"<sip:a@{local}>"),
        ]
        raw = sip.message(
            f"{method} sip:{sip.SAFETY} SIP/2.0", headers, sip.SDP if method == "INVITE" else b""
        )
        return f"v{self.number}@stranger.example", mutate.valid(
            self.rng, raw, KEPT[transport == "UDP"]
        )

    def valid(self, transport, count):
        """How many well-formed requests had no final reply, sent up to three times over UDP."""
        lost, waiting = [], {}
        for start in range(0, count, 50):
            address = self.rng.choice(sip.STRANGERS)
            link = stream.Stream(address, transport == "TLS") if transport != "UDP" else None
            sock = sip.udp(address) if link is None else None
            local = link.local if link else "%s:%d" % sock.getsockname()
            waiting = dict(
                self.wants_answer(address, local, transport) for _ in range(min(50, count - start))
            )
            for attempt in range(3 if sock else 1):
                for raw in waiting.values():
                    sock.sendto(raw, sip.PROXY) if sock else link.send(raw)
                end = time.time() + 1.5
                while waiting and time.time() < end:
                    for reply in self.answers(sock, link):
                        if reply.code and reply.code >= 200:
                            waiting.pop(reply.get("call-id"), None)
            lost += waiting.values()
            (sock or link).close()
        where = pathlib.Path(os.environ["STACK"], "unanswered")
        where.mkdir(exist_ok=True)
        for i, raw in enumerate(lost):
            (where / f"{transport}-{i}").write_bytes(raw)
        return len(lost)

    def answers(self, sock, link):
        try:
            if sock:
                sock.settimeout(0.2)
                return [sip.Parsed(sock.recv(65535))]
            return [sip.Parsed(raw) for raw in link.messages()] if link.read(0.2) else []
        except OSError:
            return []


def settle():
    """Memory after transactions have ended: their timers are 5 s (wait) and 10 s (a peer's
    silence).
    """
    time.sleep(7 if sip.SHORT else 25)
    return watch.snapshot()


def main():
    attack = Attack()
    attack.hold_calls()
    first = watch.snapshot()
    middle = None
    for transport, count in COUNT.items():
        deaths, third = attack.deaths, len(attack.third.got)
        through, got = len(attack.ledger.through), attack.ledger.got
        before, started = watch.snapshot(), time.time()
        attack.mutants(transport, count)
        lost = attack.valid(transport, VALID // 3)
        after = settle()
        middle = middle or after
        died = attack.deaths - deaths
        leaked = len(attack.third.got) - third + len(attack.ledger.through) - through
        doubled = sum(len(calls) > 1 for calls in attack.ledger.by_trace.values())
        reached = attack.ledger.got - got
        note = (
            f"{died} deaths; experts got {reached} of them or for them; of {VALID // 3} "
            f"well-formed variants {lost} unanswered; {count / (time.time() - started):.0f}/s; "
        )
        note += watch.compared(before, after)
        kinds = collections.Counter(what for what, _ in attack.ledger.through[through:])
        kinds.update(
            f"{way} to {who}" if way == "out" else f"{way} to the third address"
            for way, who, _ in attack.third.got[third:]
        )
        if kinds:
            note += "; let through: " + ", ".join(f"{n} {what}" for what, n in kinds.most_common(6))
        sip.result(
            f"mutants over {transport}",
            count,
            lost,
            doubled,
            leaked,
            not (died or lost or doubled or leaked),
            note,
        )
    where = pathlib.Path(os.environ["STACK"], "through")
    where.mkdir()
    for i, (what, raw) in enumerate(attack.ledger.through[:200]):
        (where / f"{i:03d}-{what.replace(' ', '-')}").write_bytes(raw)
    for i, (way, who, raw) in enumerate(attack.third.got[:200]):
        (where / f"third-{i:03d}-{way}").write_bytes(raw)
    last = watch.snapshot()
    grown = bool(last and middle) and last["shared_used"] - middle["shared_used"]
    names = sum(attack.resolver.names.values())
    ok = (
        bool(last)
        and grown < (4 << 20)
        and last["descriptors"] <= first["descriptors"] + 40
        and not names
    )
    note = (
        f"from the first transport to the last: {watch.compared(middle, last)}; names asked for: "
        f"{dict(attack.resolver.names.most_common(3)) or 'none'}"
    )
    sip.result(
        "memory, descriptors and names under mutants",
        sum(COUNT.values()),
        through=names,
        ok=ok,
        note=note,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
