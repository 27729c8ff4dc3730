#!/usr/bin/env python3
"""Makes a call, then sends COUNT new ones, and the INVITE of that call again, while the server's
worker is stopped; acknowledges what comes back, hangs up, and prints what it was.

usage: flood.py HOST PORT SOURCE PID KNOWN NEW COUNT
  PID is the worker; NEW has the Call-ID early-@N@@caller.example. Prints JSON: answered and
  refused (503) new calls, those of them that the module wrote (own), and the final codes of the
  known call before and after.
"""

import json
import os
import pathlib
import re
import signal
import socket
import sys

HOST, PORT, SOURCE, PID, KNOWN, NEW, COUNT = sys.argv[1:]
OWN = re.compile(
    r"SIP/2\.0 503 Overloaded\r\n"
    r"Via: SIP/2\.0/UDP [\d.:]+;branch=[^;\r]+;received=([\d.]+);rport=(\d+)\r\n"
    r"From: <[^>]+>;tag=\S+\r\nTo: <[^>]+>;tag=ife503-[0-9a-f]{16}\r\n"
    r"Call-ID: (\S+)\r\nCSeq: 1 INVITE\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"
)


def field(message, name):
    return re.search(rf"^{name}: (.*)\r$", message, re.M)[1]


def finals(sock, wait_s):
    """Yields final replies until none has come for `wait_s`."""
    sock.settimeout(wait_s)
    while True:
        try:
            reply = sock.recv(65535).decode()
        except TimeoutError:
            return
        if int(reply.split()[1]) >= 200:
            yield reply


def ack(invite, reply):
    start = invite.split("\r\n", 1)[0].replace("INVITE", "ACK", 1)
    kept = [f"{name}: {field(invite, name)}" for name in ("Via", "From", "Call-ID")]
    lines = [start, *kept, f"To: {field(reply, 'To')}", "CSeq: 1 ACK", "Content-Length: 0"]
    return "\r\n".join(lines) + "\r\n\r\n"


def within(invite, answer, method, cseq):
    """A request of the caller within the dialog of an answer."""
    contact = re.search(r"<([^>]+)>", field(answer, "Contact"))[1]
    via = re.sub(r"branch=[^;]+", f"branch=z9hG4bK-{method}{cseq}", field(invite, "Via"))
    lines = [f"{method} {contact} SIP/2.0", f"Via: {via}", "Max-Forwards: 70"]
    lines += [f"Route: {route}" for route in re.findall(r"^Record-Route: (.*)\r$", answer, re.M)]
    lines += [f"{name}: {field(answer, name)}" for name in ("From", "To", "Call-ID")]
    lines += [f"CSeq: {cseq} {method}", "Content-Length: 0"]
    return "\r\n".join(lines) + "\r\n\r\n"


def new_calls(local):
    new = pathlib.Path(NEW).read_bytes().decode().replace("@LOCAL@", local)
    return {
        f"early-{n}@caller.example": re.sub(
            r"z9hG4bK-\d+", f"z9hG4bK-{n}", new.replace("@N@", str(n))
        )
        for n in range(int(COUNT))
    }


def send_while_stopped(sock, datagrams):
    os.kill(int(PID), signal.SIGSTOP)
    try:
        for datagram in datagrams:
            sock.send(datagram.encode())
    finally:
        os.kill(int(PID), signal.SIGCONT)


def is_own(call, reply, local):
    match = OWN.fullmatch(reply)
    return bool(match) and match[3] == call and local == f"{match[1]}:{match[2]}"


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((SOURCE, 0))
        sock.connect((HOST, int(PORT)))
        local = "{}:{}".format(*sock.getsockname())
        known = pathlib.Path(KNOWN).read_bytes().decode().replace("@LOCAL@", local)
        sock.send(known.encode())
        answer = next(finals(sock, 20))
        sock.send(within(known, answer, "ACK", 1).encode())
        invites = new_calls(local)
        flood = list(invites.values())
        send_while_stopped(sock, flood[: len(flood) // 2] + [known] + flood[len(flood) // 2 :])
        first, known_codes = {}, [int(answer.split()[1])]
        for reply in finals(sock, 3):
            call = field(reply, "Call-ID")
            if call in invites:
                first.setdefault(call, reply)
                sock.send(ack(invites[call], reply).encode())
            else:
                known_codes.append(int(reply.split()[1]))
        sock.send(within(known, answer, "BYE", 2).encode())
        refused = {call: reply for call, reply in first.items() if reply.startswith("SIP/2.0 503")}
        own = sum(is_own(call, reply, local) for call, reply in refused.items())
        print(json.dumps({"answered": len(first), "refused": len(refused), "own": own,
                          "known": known_codes, "bye": next(finals(sock, 20)).split()[1]}))


main()
