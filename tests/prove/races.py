"""Sends what must pass once many times at once, over UDP and TCP, so that every worker has a hand
in it.
"""

import collections
import random
import select
import sys
import time

import sip
import stream


class Shots:
    """INVITEs from many sockets, each fired at once with the others; the final reply of each
    Call-ID.
    """

    def __init__(self, sockets=24, links=8):
        self.socks = [sip.udp(sip.CALLERS[i % len(sip.CALLERS)]) for i in range(sockets)]
        self.links = [stream.Stream(sip.CALLERS[i % len(sip.CALLERS)]) for i in range(links)]
        self.rng = random.Random(sip.SEED)
        self.finals = {}
        self.number = 0

    def invite(self, signed, call_id=None, callee=sip.SAFETY, cseq=1, tag=None, tcp=False, at=None):
        """(how to send it, its bytes, its Call-ID)."""
        self.number += 1
        call_id = call_id or f"r{self.number}.{self.rng.getrandbits(32):x}@caller.example"
        way = at or self.rng.choice(self.links if tcp else self.socks)
        local = way.local if isinstance(way, stream.Stream) else "%s:%d" % way.getsockname()
        kind = "TCP" if isinstance(way, stream.Stream) else "UDP"
        branch = f"r{self.number}x{self.rng.getrandbits(40):x}"
        raw = sip.invite(
            signed,
            call_id,
            local,
            branch,
            tag or f"t{self.number}",
            callee=callee,
            cseq=cseq,
            transport=kind,
        )
        return way, raw, call_id

    def fire(self, shots, wait_s):
        """Sends all, then takes final replies until each Call-ID has one or `wait_s` have passed.
        """
        for way, raw, _ in shots:
            way.send(raw) if isinstance(way, stream.Stream) else way.sendto(raw, sip.PROXY)
        wanted = {call_id for _, _, call_id in shots}
        resend, end = time.time() + 0.7, time.time() + wait_s
        while time.time() < end and not wanted <= self.finals.keys():
            self.read()
            if time.time() > resend:
                resend = end
                for way, raw, call_id in shots:
                    if call_id not in self.finals and not isinstance(way, stream.Stream):
                        way.sendto(raw, sip.PROXY)

    def read(self):
        files = {link.sock: link for link in self.links}
        for sock in select.select(self.socks + list(files), [], [], 0.05)[0]:
            if sock in files:
                files[sock].read(0)
                replies = [sip.Parsed(raw) for raw in files[sock].messages()]
                send = files[sock].send
            else:
                raw, _ = sock.recvfrom(65535)
                replies = [sip.Parsed(raw)]
                send = lambda raw, sock=sock: sock.sendto(raw, sip.PROXY)  # noqa: E731
            for reply in replies:
                number, method = reply.cseq()
                if method == "INVITE" and reply.code and reply.code >= 200:
                    self.finals.setdefault(reply.get("call-id"), {})[number] = reply.code
                    if reply.code < 300:
                        send(self.hang_up(reply, "ACK", number))
                        send(self.hang_up(reply, "BYE", number + 1))

    def hang_up(self, reply, method, number):
        via = reply.get("via").partition(";")[0]
        routes = [("Route", route) for route in reversed(reply.all("record-route"))]
        branch = f"z9hG4bKh{self.rng.getrandbits(40):x}"
        headers = [("Via", f"{via};branch={branch};rport"), ("Max-Forwards", "70"), *routes]
        headers += [("From", reply.get("from")), ("To", reply.get("to"))]
        headers += [("Call-ID", reply.get("call-id")), ("CSeq", f"{number} {method}")]
        return sip.message(f"{method} {reply.contact_uri()} SIP/2.0", headers)


def passed(phone, traces):
    """(signatures that rang no phone, that rang as more than one call)."""
    calls = {t: {call for call, _ in phone.by_trace.get(t, ())} for t in traces}
    return sum(not c for c in calls.values()), sum(len(c) > 1 for c in calls.values())


def copies(shots, phone, iat_offset_s, copies_of_each, signatures):
    """Each signature in several calls at once: exactly one rings, the others get 403, or 503."""
    lost = doubled = wrong = rounds = 0
    for _ in range(signatures // 20):
        made = sip.sign(20, iat=int(time.time()) + iat_offset_s)
        batch = [shots.invite(s, tcp=i % 3 == 2) for s in made for i in range(copies_of_each)]
        shots.rng.shuffle(batch)
        shots.fire(batch, 4)
        time.sleep(0.1)
        none, many = passed(phone, [s["trace_id"] for s in made])
        lost, doubled, rounds = lost + none, doubled + many, rounds + len(batch)
        answers = [
            next(iter(shots.finals.get(call_id, {0: None}).values())) for _, _, call_id in batch
        ]
        # Eight hundred at once are more than receive buffers hold: silence and 503 are no second
        # passage.
        wrong += sum(code not in (200, 403, 503, None) for code in answers)
        wrong += max(0, answers.count(200) - 20)
    return rounds, lost, doubled, wrong


def race_copies(shots, phone):
    for count, signatures in ((2, 60), (12, 40)) if sip.SHORT else ((2, 400), (12, 200), (40, 60)):
        rounds, lost, doubled, wrong = copies(shots, phone, 0, count, signatures)
        note = f"{signatures} signatures; {wrong} answers other than one 200, and 403 or 503"
        sip.result(
            f"one signature in {count} calls at once",
            rounds,
            lost,
            doubled,
            0,
            not (lost or doubled or wrong),
            note,
        )


def race_floor(shots, phone):
    """Signatures of the near future raise no floor under those of now."""
    rounds, lost, doubled, wrong = copies(shots, phone, 58, 4, 40)
    late = refused = 0
    for _ in range(1 if sip.SHORT else 5):
        r, none, many, w = copies(shots, phone, 0, 1, 20)
        late, refused, rounds, doubled = late + none, refused + w, rounds + r, doubled + many
    note = (
        f"40 signatures with iat 58 s ahead, 4 copies of each; then {refused} ordinary calls "
        "refused"
    )
    ok = not (lost or late or doubled or wrong or refused)
    sip.result("signatures of the near future, raced", rounds, lost + late, doubled, 0, ok, note)


def race_seats(shots, phone):
    """Of many calls at once to an expert with one seat one rings; the others get 486."""
    rounds = lost = doubled = wrong = 0
    peak = 0
    for _ in range(2 if sip.SHORT else 20):
        phone.now.clear()
        phone.peak = 0
        made = sip.sign(40, callee=sip.ETHICS, hazard="ethics")
        batch = [shots.invite(s, callee=sip.ETHICS, tcp=i % 3 == 2) for i, s in enumerate(made)]
        shots.fire(batch, 6)
        codes = collections.Counter(
            next(iter(shots.finals.get(c, {0: None}).values())) for _, _, c in batch
        )
        peak = max(peak, phone.peak)
        rounds += len(batch)
        lost += codes[200] < 1
        doubled += max(0, phone.peak - 1)
        wrong += len(batch) - codes[200] - codes[486]
        time.sleep(0.5)
    note = f"at most {peak} rang at once; {wrong} answers other than 200 and 486"
    sip.result(
        "40 calls at once for one seat",
        rounds,
        lost,
        doubled,
        0,
        not (lost or doubled or wrong),
        note,
    )


def race_cseqs(shots, phone):
    """The same signature and Call-ID with CSeq 1 to 4 at once rings once."""
    rounds = doubled = lost = 0
    for i in range(3 if sip.SHORT else 40):
        phone.now.clear()
        phone.peak = 0
        signed = sip.sign(1, callee=sip.ETHICS, hazard="ethics")[0]
        call_id, at = (
            f"cseq{i}.{shots.rng.getrandbits(32):x}@caller.example",
            shots.rng.choice(shots.socks),
        )
        batch = [
            shots.invite(signed, call_id, sip.ETHICS, cseq, "same", at=at) for cseq in (1, 2, 3, 4)
        ]
        shots.fire(batch, 0.5)
        until = time.time() + 2.5
        while time.time() < until and len(shots.finals.get(call_id, {})) < 4:
            shots.read()
        rounds += 4
        doubled += max(0, phone.peak - 1)
        lost += not phone.peak
        time.sleep(0.3)
    title = "one signature and Call-ID with CSeq 1 to 4 at once"
    note = "a phone must not ring twice for one call"
    sip.result(title, rounds, lost, doubled, 0, not (lost or doubled), note)


class OneSeat(sip.Phone):
    """Rings for 0.4 s and counts the calls that ring or talk at the same time."""

    def __init__(self, ip):
        super().__init__(ip, ring_s=0.4, on=OneSeat.count)
        self.now, self.peak = set(), 0

    def count(self, message, raw, peer):
        key = (message.get("call-id"), message.cseq()[0])
        if message.method == "INVITE" and not message.tag("to"):
            self.now.add(key)
            self.peak = max(self.peak, len(self.now))
        elif message.method == "CANCEL":
            self.now.discard(key)
        elif message.method == "BYE":
            self.now = {k for k in self.now if k[0] != key[0]}
        return False


def main():
    phone, seat = sip.Phone(sip.EXPERTS[0]), OneSeat(sip.EXPERTS[1])
    phone.start()
    seat.start()
    shots = Shots()
    race_copies(shots, phone)
    race_seats(shots, seat)
    race_cseqs(shots, seat)
    race_floor(shots, phone)
    return 0


if __name__ == "__main__":
    sys.exit(main())
