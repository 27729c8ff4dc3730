"""Phones, the dialogs that they are in, and proxies beside the one under test."""

import hashlib
import itertools
import random

from .endpoint import Endpoint
from .message import Message, Uri, canonical, tag_of, uri_of

COUNTER = itertools.count(1)
OFFER = (
    b"v=0\r\no=party 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 0\r\n"
)


def unique(prefix):
    return f"{prefix}{next(COUNTER)}x{random.randrange(1 << 40):x}"


def bracketed(ip):
    return f"[{ip}]" if ":" in ip else ip


class Phone(Endpoint):
    """A user agent. `contact` is the value of its Contact header, valid or not."""

    def __init__(self, trace, name, ip, port, transport="UDP", contact=None):
        super().__init__(trace, name, ip, port)
        self.transport = transport
        parameter = "" if transport == "UDP" else f";transport={transport.lower()}"
        self.contact = contact or f"<sip:{name}@{bracketed(ip)}:{port}{parameter}>"

    def via(self, branch=None):
        return (
            f"SIP/2.0/{self.transport} "
            f"{bracketed(self.ip)}:{self.port};branch=z9hG4bK{branch or unique('b')};rport"
        )

    def invite(self, hop, caller, callee, call_id=None, extra=(), **more):
        """Sends an INVITE to `hop` (host, port); the dialog to be. `extra` are further header
        pairs.
        """
        dialog = Dialog(self, call_id or unique(f"{self.name}-"))
        dialog.local = f"<sip:{caller}>;tag={more.get('tag') or unique('c')}"
        dialog.remote = f"<sip:{callee}>"
        dialog.target = more.get("ruri") or f"sip:{callee}"
        dialog.hop = hop
        dialog.invite = dialog.send(
            "INVITE", extra, OFFER, seq=more.get("cseq"), contact=more.get("contact")
        )
        return dialog

    def answering(self, invite):
        """The dialog that an INVITE asks for, with a To-tag of this phone's."""
        dialog = Dialog(self, invite.call_id)
        dialog.local = f"{invite.get('to')};tag={unique('e')}"
        dialog.remote = invite.get("from")
        dialog.route_set = invite.all("record-route")
        dialog.target = uri_of(invite.get("contact"))
        dialog.hop = None
        dialog.peer = invite
        dialog.invite = invite
        return dialog


class Dialog:
    """One side of a dialog (RFC 3261 12): tags, sequence number, route set, remote target."""

    def __init__(self, phone, call_id):
        self.phone, self.call_id, self.seq = phone, call_id, random.randrange(1, 1000)
        self.local = self.remote = self.target = self.hop = self.invite = self.peer = None
        self.route_set = []

    def establish(self, response):
        """As the caller: the dialog that a response makes."""
        self.remote = response.get("to")
        self.route_set = list(reversed(response.all("record-route")))
        if response.get("contact"):
            self.target = uri_of(response.get("contact"))
        return response

    def fork(self, response):
        """The dialog of another leg of the same INVITE."""
        leg = Dialog(self.phone, self.call_id)
        leg.local, leg.hop, leg.invite, leg.seq = self.local, self.hop, self.invite, self.seq
        leg.establish(response)
        return leg

    def refresh(self, message):
        """Target refresh by a re-INVITE or UPDATE, or by its 2xx."""
        if message.get("contact"):
            self.target = uri_of(message.get("contact"))
        return message

    def build(self, method, extra=(), body=b"", seq=None, contact=None, branch=None):
        if seq is None and method != "ACK":
            self.seq += 1
        ruri, routes = self.target, list(self.route_set)
        if routes and "lr" not in Uri(uri_of(routes[0])).params:
            # A strict router is addressed, and the target comes last (RFC 3261 12.2.1.1).
            ruri, routes = uri_of(routes[0]), [*routes[1:], f"<{self.target}>"]
        headers = [
            ("Via", self.phone.via(branch)),
            ("Max-Forwards", "70"),
            *(("Route", route) for route in routes),
        ]
        headers += [("From", self.local), ("To", self.remote), ("Call-ID", self.call_id)]
        headers.append(("CSeq", f"{self.seq if seq is None else seq} {method}"))
        if method in ("INVITE", "UPDATE"):
            headers.append(("Contact", contact or self.phone.contact))
        headers += [(name, value) for name, value in extra]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return Message(f"{method} {ruri} SIP/2.0", headers, body)

    def next_hop(self):
        """Where a request of this side goes first: the outbound proxy, the first route, or the
        target.
        """
        if self.hop:
            return self.hop
        return self.phone.stage.locate(uri_of(self.route_set[0]) if self.route_set else self.target)

    def send(self, method, extra=(), body=b"", **more):
        request = self.build(method, extra, body, **more)
        self.phone.send(request, self.next_hop(), self.phone.transport)
        return request

    def ask(self, method, extra=(), body=b"", **more):
        """The final response to a request."""
        return self.phone.final(self.send(method, extra, body, **more))

    def ack(self, response=None, **more):
        """The ACK to a 2xx: the sequence number is its INVITE's."""
        seq = (response or self.invite).seq
        return self.send("ACK", seq=seq, **more)

    def refuse_ack(self, response):
        """The ACK to a refusal: it belongs to the INVITE's transaction."""
        ack = self.invite.copy()
        ack.start = self.invite.start.replace("INVITE", "ACK", 1)
        keep = ("via", "max-forwards", "route", "from", "call-id")
        headers = [(name, value) for name, value in ack.headers if name.lower() in keep]
        headers += [("To", response.get("to")), ("CSeq", f"{response.seq} ACK")]
        self.phone.send(Message(ack.start, headers), self.next_hop(), self.phone.transport)

    def reply(self, request, code, reason="OK", extra=(), body=b"", contact=None):
        """A response to a request of this dialog, along its Vias."""
        copied = [
            (name, value)
            for name, value in request.headers
            if canonical(name) in ("via", "from", "call-id", "cseq")
        ]
        if request.method == "INVITE" or code < 200:
            copied += [("Record-Route", value) for value in request.all("record-route")]
        to = request.get("to") if tag_of(request.get("to")) else self.local
        headers = [*copied, ("To", to), *extra]
        if request.method in ("INVITE", "UPDATE") and code < 300:
            headers.append(("Contact", contact or self.phone.contact))
        if body:
            headers.append(("Content-Type", "application/sdp"))
        self.phone.answer(request, Message(f"SIP/2.0 {code} {reason}", headers, body))


class Proxy:
    """A proxy beside the one under test: record-routes as ordered, and forks to the phones
    behind it.

    `addresses` are (ip, port) that it listens on, and sends from the first; `record_routes` the
    values that it
    puts before those of an INVITE; `phones` those behind it; `names` further (host, port) that are
    itself.
    """

    def __init__(self, stage, name, addresses, record_routes, phones, names=()):
        self.stage, self.record_routes = stage, record_routes
        self.inside = [(phone.ip, phone.port) for phone in phones]
        self.ends = [
            stage.endpoint(f"{name}{i or ''}", ip, port) for i, (ip, port) in enumerate(addresses)
        ]
        self.own, self.came_from = {*addresses, *names}, {}
        for end in self.ends:
            end.handler = self.handle

    def is_own(self, uri):
        return Uri(uri).address() in self.own

    def handle(self, _, message):
        if message.is_request():
            self.forward(message)
        else:
            self.back(message)

    def forward(self, request):
        routes = request.all("route")
        in_dialog = tag_of(request.get("to"))
        forwarded = request.copy()
        if self.is_own(request.ruri) and routes and in_dialog:
            # A strict router's own address: the last route is the target (RFC 3261 16.4).
            forwarded.start = f"{request.method} {uri_of(routes.pop())} SIP/2.0"
        while routes and self.is_own(uri_of(routes[0])):
            routes.pop(0)
        forwarded.put("Route", routes)
        if not in_dialog:
            forwarded.put("Record-Route", [*self.record_routes, *request.all("record-route")])
        for address, transport in self.next_hops(forwarded, routes):
            self.relay(request, forwarded, address, transport)

    def next_hops(self, request, routes):
        if routes:
            uri = uri_of(routes[0])
            tcp = Uri(uri).params.get("transport", "").lower() == "tcp"
            return [(self.stage.locate(uri), "TCP" if tcp else "UDP")]
        if request.source in self.inside:
            return [(self.stage.gate, "UDP")]
        named = [phone for phone in self.inside if phone == self.stage.locate(request.ruri)]
        return [(phone, "UDP") for phone in named or self.inside]

    def relay(self, request, forwarded, address, transport):
        vias = request.all("via")
        # A CANCEL and the ACK of a refusal have the branch of their INVITE.
        key = (
            f"{request.call_id} {request.seq} {address} {vias[0].split('branch=')[1].split(';')[0]}"
        )
        branch = hashlib.sha256(key.encode()).hexdigest()[:20]
        first = self.ends[0]
        mine = f"SIP/2.0/{transport} {bracketed(first.ip)}:{first.port};branch=z9hG4bKp{branch}"
        self.came_from[branch] = request
        copy = forwarded.copy()
        copy.put("Via", [mine, f"{vias[0]};received={request.source[0]}", *vias[1:]])
        first.send(copy, address, transport)

    def back(self, response):
        vias = response.all("via")
        mine = vias.pop(0).partition("branch=z9hG4bKp")[2].split(";")[0]
        if mine in self.came_from:
            response = response.copy()
            response.put("Via", vias)
            self.ends[0].answer(self.came_from[mine], response)
