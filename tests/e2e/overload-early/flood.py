#!/usr/bin/env python3
"""Sends COUNT new calls at once and acknowledges what is refused; prints what came back.

usage: flood.py HOST PORT SOURCE SOURCE_PORT NEW COUNT KNOWN
  NEW has the Call-ID early-@N@@caller.example; KNOWN is the INVITE of a call that was answered,
  sent among the new ones. Prints JSON: answered and refused (503) new calls, those of them that the
  module wrote (own), and the final codes of the known call.
"""

import json
import pathlib
import re
import socket
import sys

HOST, PORT, SOURCE, SOURCE_PORT, NEW, COUNT, KNOWN = sys.argv[1:]
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


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((SOURCE, int(SOURCE_PORT)))
        sock.connect((HOST, int(PORT)))
        local = "{}:{}".format(*sock.getsockname())
        new = pathlib.Path(NEW).read_bytes().decode().replace("@LOCAL@", local)
        invites = {
            f"early-{n}@caller.example": re.sub(
                r"z9hG4bK-\d+", f"z9hG4bK-{n}", new.replace("@N@", str(n))
            )
            for n in range(int(COUNT))
        }
        known = pathlib.Path(KNOWN).read_bytes().decode().replace("@LOCAL@", local)
        middle = len(invites) // 2
        for n, invite in enumerate(invites.values()):
            sock.send(invite.encode())
            if n == middle:
                sock.send(known.encode())
        first, known_codes = {}, []
        for reply in finals(sock, 3):
            call = field(reply, "Call-ID")
            if call in invites:
                first.setdefault(call, reply)
                sock.send(ack(invites[call], reply).encode())
            else:
                known_codes.append(int(reply.split()[1]))
        refused = {call: reply for call, reply in first.items() if reply.startswith("SIP/2.0 503")}
        own = {}
        for call, reply in refused.items():
            match = OWN.fullmatch(reply)
            if match and match[3] == call and local == f"{match[1]}:{match[2]}":
                own[call] = reply
        print(json.dumps({"answered": len(first), "refused": len(refused), "own": len(own),
                          "known": known_codes}))


main()
