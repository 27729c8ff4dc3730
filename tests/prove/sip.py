"""SIP as the parts of `make prove` speak it: messages as bytes, phones that answer and callers that
keep an account.

Shares no code with the project. Everything runs on one thread per socket; an account is written
down when the bytes
have been seen, never when they were hoped for.
"""

import collections
import json
import os
import random
import re
import select
import socket
import subprocess
import threading
import time

ENV = os.environ
PROXY = (ENV.get("PROXY_IP", "192.0.2.1"), int(ENV.get("SIP_PORT", 5060)))
CALLERS = ENV.get("CALLERS", "192.0.2.10").split()
EXPERTS = ENV.get("EXPERTS", "198.51.100.10").split()
STRANGERS = ENV.get("STRANGERS", "203.0.113.10").split()
THIRD = ENV.get("THIRD_IP", "203.0.113.200")
COUNCIL, SAFETY, ETHICS = (ENV.get(name, name.lower()) for name in ("COUNCIL", "SAFETY", "ETHICS"))
SHORT = ENV.get("SCALE") == "short"
SEED = int(ENV.get("SEED", "1"))
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 40000 "
    b"RTP/AVP 0 8\r\n"
)


def result(fault, rounds, lost=0, doubled=0, through=0, ok=True, note=""):
    """One line of the part's results."""
    line = {
        "fault": fault,
        "rounds": rounds,
        "lost": lost,
        "doubled": doubled,
        "through": through,
        "ok": ok,
        "note": note,
    }
    with open(ENV["PROVE_RESULTS"], "a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
    print(line, flush=True)


def sign(count, caller=COUNCIL, callee=SAFETY, hazard="safety", iat=None, key="council-2026a"):
    """`count` signatures of `ifectl sign`: dicts with trace_id, hazard and signature."""
    command = [
        f"{ENV['IFE_BIN']}/ifectl",
        "sign",
        "--json",
        "--key",
        f"{ENV['STACK']}/keys/{key}.key",
    ]
    command += [
        "--from",
        f"sip:{caller}",
        "--to",
        f"sip:{callee}",
        "--hazard",
        hazard,
        "--count",
        str(count),
    ]
    if iat is not None:
        command += ["--iat", str(iat)]
    out = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def message(start, headers, body=b""):
    """Bytes of a message; Content-Length is added."""
    lines = (
        [start]
        + [f"{name}: {value}" for name, value in headers]
        + [f"Content-Length: {len(body)}", "", ""]
    )
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


def invite(
    signed,
    call_id,
    local,
    branch,
    tag,
    caller=COUNCIL,
    callee=SAFETY,
    cseq=1,
    transport="UDP",
    more=(),
):
    """A signed INVITE as the council sends it; `local` is "ip:port"."""
    suffix = ";transport=" + transport.lower() if transport != "UDP" else ""
    headers = [
        ("Via", f"SIP/2.0/{transport} {local};branch=z9hG4bK{branch};rport"),
        ("Max-Forwards", "70"),
        ("From", f"<sip:{caller}>;tag={tag}"),
        ("To", f"<sip:{callee}>"),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} INVITE"),
        ("Contact", f"<sip:council@{local}{suffix}>"),
        *more,
    ]
    if signed:
        headers += [
            ("X-IF-Trace-ID", signed["trace_id"]),
            ("X-IF-Hazard", signed["hazard"]),
            ("X-IF-Signature", signed["signature"]),
        ]
    headers.append(("Content-Type", "application/sdp"))
    return message(f"INVITE sip:{callee} SIP/2.0", headers, SDP)


COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
    "k": "supported",
}


class Parsed:
    """The start line, the header fields in order (names in lower case, long) and the body of a
    message.
    """

    def __init__(self, raw):
        head, _, self.body = raw.partition(b"\r\n\r\n")
        # Bare CR and LF end a line too, as they do for Kamailio: a mutant may hold them.
        text = re.sub(r"(?:\r\n|[\r\n])[ \t]+", " ", head.decode("latin-1"))
        lines = re.split(r"\r\n|[\r\n]", text)
        self.start = lines[0]
        self.fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                name = name.strip().lower()
                self.fields.append((COMPACT.get(name, name), value.strip()))
        found = re.match(r"SIP/2\.0 (\d{3})", self.start)
        self.code = int(found[1]) if found else None
        self.method = None if found else self.start.split(" ")[0]

    def get(self, name, default=""):
        return next((value for key, value in self.fields if key == name), default)

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def cseq(self):
        """(number, method), or (None, "")."""
        found = re.match(r"(\d+)\s+(\S+)", self.get("cseq"))
        return (int(found[1]), found[2]) if found else (None, "")

    def tag(self, name):
        found = re.search(r";\s*tag\s*=\s*([^;\s]+)", self.get(name))
        return found[1] if found else ""

    def contact_uri(self):
        found = re.search(r"<([^>]*)>", self.get("contact"))
        return found[1] if found else self.get("contact")


def reply_to(request, code, reason, tag, contact=None, body=b""):
    """A reply with the request's Vias, Record-Routes and so on."""
    headers = [("Via", via) for via in request.all("via")]
    headers += (
        [("Record-Route", route) for route in request.all("record-route")] if code < 300 else []
    )
    to = request.get("to")
    headers += [("From", request.get("from")), ("To", to if "tag=" in to else f"{to};tag={tag}")]
    headers += [("Call-ID", request.get("call-id")), ("CSeq", request.get("cseq"))]
    if contact:
        headers.append(("Contact", f"<{contact}>"))
    if body:
        headers.append(("Content-Type", "application/sdp"))
    lines = (
        [f"SIP/2.0 {code} {reason}"]
        + [f"{n}: {v}" for n, v in headers]
        + [f"Content-Length: {len(body)}", "", ""]
    )
    return "\r\n".join(lines).encode("latin-1") + body


def udp(ip, port=0, buffer=16 << 20):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (
        socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else socket.SO_RCVBUF,
        socket.SO_RCVBUF,
    ):
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, buffer)
            break
        except OSError:
            continue
    sock.bind((ip, port))
    return sock


class Phone(threading.Thread):
    """An expert's phone: answers INVITEs, keeps every datagram that it got, with the sender's
    address.

    `ring_s` is the time between 180 and 200; `busy` refuses; `on` may look at each message first
    and return True to
    have it left alone.
    """

    def __init__(self, ip, port=5060, ring_s=0.0, on=None, keep=True):
        super().__init__(daemon=True)
        self.address = (ip, port)
        self.sock = udp(ip, port)
        self.ring_s, self.on, self.keep = ring_s, on, keep
        self.got = []
        self.calls = {}
        self.invites = collections.Counter()
        self.by_trace = collections.defaultdict(set)
        self.cancelled = set()
        self.later = []
        self.ended = False

    def run(self):
        while not self.ended:
            if select.select([self.sock], [], [], 0.01 if self.later else 0.2)[0]:
                try:
                    raw, peer = self.sock.recvfrom(65535)
                except OSError:
                    break
                if self.keep:
                    self.got.append((time.time(), peer, raw))
                try:
                    self.handle(raw, peer)
                except (ValueError, IndexError, OSError, UnicodeError):
                    # A mutant that was let through is kept above; answering it is not the point.
                    pass
            while self.later and self.later[0][0] <= time.time():
                _, raw, peer, key = self.later.pop(0)
                if key not in self.cancelled:
                    self.sock.sendto(raw, peer)

    def handle(self, raw, peer):
        message = Parsed(raw)
        if self.on and self.on(self, message, raw, peer):
            return
        if message.method is None or message.method == "ACK":
            return
        call_id, tag = message.get("call-id"), f"p{abs(hash(message.get('call-id'))) & 0xFFFFFF:x}"
        contact = f"sip:phone@{self.address[0]}:{self.address[1]}"
        if message.method == "CANCEL":
            self.cancelled.add((call_id, message.cseq()[0]))
            self.sock.sendto(reply_to(message, 200, "OK", tag), peer)
            self.sock.sendto(reply_to_invite(message, 487, "Request Terminated", tag), peer)
            return
        if message.method == "INVITE" and not message.tag("to"):
            key = (call_id, message.cseq()[0])
            self.invites[key] += 1
            self.by_trace[message.get("x-if-trace-id")].add(key)
            self.calls.setdefault(call_id, (message, tag, peer))
            answer = reply_to(message, 200, "OK", tag, contact, SDP)
            if self.ring_s:
                self.sock.sendto(reply_to(message, 180, "Ringing", tag, contact), peer)
                self.later.append((time.time() + self.ring_s, answer, peer, key))
            else:
                self.sock.sendto(answer, peer)
            return
        body = SDP if message.method in ("INVITE", "UPDATE") else b""
        self.sock.sendto(reply_to(message, 200, "OK", tag, contact if body else None, body), peer)

    def close(self):
        self.ended = True
        self.join(2)
        self.sock.close()


def reply_to_invite(cancel, code, reason, tag):
    """The final reply to the INVITE that `cancel` names: same Vias, CSeq of the INVITE."""
    number, _ = cancel.cseq()
    cancel.fields = [(n, f"{number} INVITE" if n == "cseq" else v) for n, v in cancel.fields]
    return reply_to(cancel, code, reason, tag)


class Caller:
    """Places calls over UDP at a rate and keeps the account: per Call-ID the final reply seen, and
    when.

    INVITEs and BYEs are sent again as RFC 3261 17.1 has it (T1 0.5 s, doubled, for `give_up_s`);
    each 2xx is
    acknowledged and hung up after `talk_s`, or kept in `dialogs` when that is None.
    """

    def __init__(self, ip, talk_s=0.05, give_up_s=8.0, seed=SEED, prefix="call"):
        self.sock = udp(ip)
        self.local = "%s:%d" % self.sock.getsockname()
        self.random = random.Random(seed)
        self.talk_s, self.give_up_s, self.prefix = talk_s, give_up_s, prefix
        self.account = {}
        self.open = {}
        self.byes = {}
        self.times_ms = []
        self.dialogs = {}

    def place(self, signed, name, callee=SAFETY):
        call_id = f"{name}.{self.prefix}@caller.example"
        branch, tag = f"{self.random.getrandbits(64):x}", f"{self.random.getrandbits(32):x}"
        raw = invite(signed, call_id, self.local, branch, tag, callee=callee)
        now = time.time()
        self.open[call_id] = [raw, now, now + 0.5, 0.5]
        self.account[call_id] = {
            "call_id": call_id,
            "trace_id": signed["trace_id"],
            "finals": {},
            "sent": 1,
            "ended": None,
        }
        self.send(raw)

    def send(self, raw, to=PROXY):
        try:
            self.sock.sendto(raw, to)
        except OSError:
            # The proxy is down: the ICMP error of an earlier datagram.
            pass

    def turn(self, wait_s=0.01):
        """Reads arrived messages, waiting `wait_s` at most, and sends again those that are due."""
        timeout = wait_s
        while select.select([self.sock], [], [], timeout)[0]:
            timeout = 0
            try:
                raw, _ = self.sock.recvfrom(65535)
            except OSError:
                continue
            self.handle(Parsed(raw))
        now = time.time()
        for waiting in (self.open, self.byes):
            for call_id, item in list(waiting.items()):
                raw, since, due, interval = item
                if now - since > self.give_up_s:
                    del waiting[call_id]
                elif now >= due:
                    self.send(raw)
                    item[2], item[3] = now + min(interval * 2, 4), min(interval * 2, 4)

    def handle(self, reply):
        call_id = reply.get("call-id")
        call = self.account.get(call_id)
        number, method = reply.cseq()
        if reply.code is None:
            return
        if call is None or reply.code < 200:
            if call and method == "INVITE" and call_id in self.open:
                # A provisional reply ends retransmission (17.1.1.2), not the waiting.
                self.open[call_id][2] = float("inf")
            return
        if method == "BYE":
            if self.byes.pop(call_id, None):
                call["ended"] = reply.code
            return
        first = str(number) not in call["finals"]
        if first:
            item = self.open.pop(call_id, None)
            if item:
                self.times_ms.append((time.time() - item[1]) * 1000)
            call["finals"][str(number)] = {"code": reply.code, "reason": reply.start[12:]}
        self.acknowledge(reply, number, first)

    def acknowledge(self, reply, number, first):
        call_id = reply.get("call-id")
        routes = [("Route", route) for route in reversed(reply.all("record-route"))]
        if reply.code >= 300:
            return
        uri = reply.contact_uri()

        def head(method, sequence):
            branch = f"z9hG4bK{self.random.getrandbits(64):x}"
            return [
                ("Via", f"SIP/2.0/UDP {self.local};branch={branch};rport"),
                ("Max-Forwards", "70"),
                *routes,
                ("From", reply.get("from")),
                ("To", reply.get("to")),
                ("Call-ID", call_id),
                ("CSeq", f"{sequence} {method}"),
            ]

        self.send(message(f"ACK {uri} SIP/2.0", head("ACK", number)))
        if first and self.talk_s is None:
            self.dialogs[call_id] = (reply, routes)
        elif first:
            bye = message(f"BYE {uri} SIP/2.0", head("BYE", number + 1))
            now = time.time()
            self.byes[call_id] = [bye, now + self.talk_s, now + self.talk_s, 0.5]

    def settle(self, limit_s):
        """Waits until nothing is open, or for `limit_s`."""
        end = time.time() + limit_s
        while (self.open or self.byes) and time.time() < end:
            self.turn(0.02)

    def close(self):
        self.sock.close()


class Resolver(threading.Thread):
    """Answers every A query with THIRD's address, so that what resolves a stranger's name shows
    itself there.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = udp("127.0.0.1", 53)
        self.names = collections.Counter()

    def run(self):
        while True:
            try:
                query, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            labels, at = [], 12
            while at < len(query) and query[at]:
                labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1"))
                at += 1 + query[at]
            question = query[12 : at + 5]
            self.names[".".join(labels)] += 1
            is_a = query[at + 1 : at + 3] == b"\0\1"
            head = (
                query[:2]
                + (b"\x85\x80" if is_a else b"\x85\x83")
                + b"\0\1"
                + (b"\0\1" if is_a else b"\0\0")
                + b"\0\0\0\0"
            )
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4" + socket.inet_aton(THIRD) if is_a else b""
            self.sock.sendto(head + question + answer, peer)


class Third(threading.Thread):
    """Everything that comes to the address where nothing may go, and every datagram that leaves for
    an unknown one.
    """

    def __init__(self, ports=(5060, 5061, 9, 5070, 9999)):
        super().__init__(daemon=True)
        self.socks = [udp(THIRD, port) for port in ports]
        self.listeners = []
        for port in ports:
            listener = socket.socket()
            listener.bind((THIRD, port))
            listener.listen(64)
            self.listeners.append(listener)
        self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.out.bind(("out1", 0))
        self.got = []

    def run(self):
        while True:
            ready, _, _ = select.select(self.socks + self.listeners + [self.out], [], [], 0.5)
            for sock in ready:
                if sock in self.listeners:
                    peer_sock, peer = sock.accept()
                    self.got.append(
                        ("TCP", peer, f"connection to port {sock.getsockname()[1]}".encode())
                    )
                    peer_sock.close()
                elif sock is self.out:
                    raw = sock.recv(65535)
                    self.got.append(("out", socket.inet_ntoa(raw[30:34]), raw[42:]))
                else:
                    raw, peer = sock.recvfrom(65535)
                    self.got.append(("UDP", peer, raw))
