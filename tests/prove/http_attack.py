"""Half-sent and slow requests, and thousands of clients, while an operator works by another
listener.

http_attack.py UNIX_SOCKET API_PORT EVIDENCE_PORT TOKEN_FILE BRIDGE_PID
"""

import contextlib
import os
import pathlib
import select
import socket
import sys
import threading
import time

from bridge_api import SAFETY, SHORT, Api, result, until

SOURCES = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(400)]
REOPENED_MAX = 200
HEAD = b"GET /v1/calls HTTP/1.1\r\nHost: bridge\r\n"
CLIENTS = 2_000 if SHORT else 10_000
HALF = 1_100


class Crowd(threading.Thread):
    """Clients that send the beginning of a request, then `drip` a byte at a time. Those that are
    closed come again.
    """

    def __init__(self, target, count, begin, drip=b"", sources=SOURCES):
        super().__init__(daemon=True)
        self.target, self.count, self.begin, self.drip = target, count, begin, drip
        self.sources = sources
        self.open, self.opened, self.comes_again = [], 0, True
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            self._sweep()
            if self.comes_again:
                wanted = self.count - len(self.open)
                for _ in range(min(wanted, REOPENED_MAX if self.opened >= self.count else wanted)):
                    self._join()
            self.over.wait(0.3)

    def _join(self):
        is_unix = isinstance(self.target, str)
        sock = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET)
        try:
            sock.settimeout(2)
            if not is_unix:
                sock.bind((self.sources[self.opened % len(self.sources)], 0))
            self.opened += 1
            sock.connect(self.target)
            sock.sendall(self.begin)
            sock.setblocking(False)
            self.open.append(sock)
        except OSError:
            sock.close()

    def _sweep(self):
        """Those that the bridge has closed, or has answered, are gone; the others go on."""
        poll = select.poll()
        by_number = {sock.fileno(): sock for sock in self.open}
        for number in by_number:
            poll.register(number, select.POLLIN | select.POLLHUP)
        gone = {by_number[number] for number, _ in poll.poll(0)}
        for sock in self.open:
            if self.drip and sock not in gone:
                try:
                    sock.send(self.drip)
                except OSError:
                    gone.add(sock)
        for sock in gone:
            sock.close()
        self.open = [sock for sock in self.open if sock not in gone]

    def end(self):
        self.over.set()
        self.join()
        for sock in self.open:
            sock.close()


class Operator(threading.Thread):
    """Asks for health and calls, and calls an expert, again and again; keeps an account of what was
    answered.
    """

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api, self.asked, self.calls, self.wrong = api, 0, 0, []
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            self.wants(200, "GET", "/readyz")
            self.wants(200, "GET", "/v1/calls")
            self.escalates()
            self.over.wait(0.1)

    def wants(self, wanted, *request):
        self.asked += 1
        status, answer = self.api.ask(*request)
        if status != wanted:
            self.wrong.append(f"{request[:2]}: {status} {answer}")
        return answer or {}

    def escalates(self):
        body = {"expert_id": SAFETY, "hazard_type": "safety"}
        call = self.wants(201, "POST", "/v1/calls", body).get("call_id")
        if not call:
            return
        try:
            until("the expert is in the council", lambda: self.api.state(call) == "connected")
            self.calls += 1
        except AssertionError as error:
            self.wrong.append(f"{call}: {error}")
        self.wants(200, "DELETE", f"/v1/calls/{call}")

    def end(self):
        self.over.set()
        self.join()


# All places of all listeners, each with what one connection may hold: 200 KiB are plenty.
MEMORY_MB_MAX = 400


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory_mb(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) >> 10


def attack(what, crowds, api, pid, hold_s):
    """One line of the table: the operator's answers meanwhile, and whether the bridge let go of the
    crowds.
    """
    before, memory = descriptors(pid), memory_mb(pid)
    operator = Operator(api)
    for crowd in crowds:
        crowd.start()
    until("every client has come once", lambda: all(c.opened >= c.count for c in crowds))
    operator.start()
    time.sleep(hold_s)
    until("an expert was called meanwhile", lambda: operator.calls > 0 or operator.wrong)
    operator.end()
    peak = memory_mb(pid)
    for crowd in crowds:
        crowd.comes_again, crowd.drip = False, b""
    problems = operator.wrong[:3]
    if peak > MEMORY_MB_MAX:
        problems.append(f"{peak} MB of memory, {MEMORY_MB_MAX} at most")
    with contextlib.ExitStack() as stack:
        for crowd in crowds:
            stack.callback(crowd.end)
        try:
            until("the bridge closes what says nothing", lambda: not any(c.open for c in crowds))
            until("descriptors are given back", lambda: descriptors(pid) <= before + 4)
        except AssertionError as error:
            problems.append(str(error))
    opened = sum(crowd.opened for crowd in crowds)
    note = (
        f"operator: {operator.asked} requests, {operator.calls} calls; memory {memory} to {peak} MB"
    )
    note += f", descriptors {before} to {descriptors(pid)}"
    result(what, opened, len(operator.wrong), ok=not problems, note="; ".join([note, *problems]))


def main(unix, api_port, evidence_port, token_file, pid):
    token = pathlib.Path(token_file).read_text().strip()
    tcp, pages = ("127.0.0.1", int(api_port)), ("127.0.0.1", int(evidence_port))
    body = f"POST /v1/calls HTTP/1.1\r\nHost: bridge\r\nAuthorization: Bearer {token}\r\n"
    body = body.encode() + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
    by_unix, by_tcp = Api(unix), Api(tcp, token)
    one = SOURCES[:1]
    attacks = [
        ("half-sent requests from one address", [Crowd(tcp, HALF, HEAD, sources=one)], by_unix),
        ("half-sent requests", [Crowd(tcp, HALF, HEAD)], by_unix),
        ("heads a byte at a time", [Crowd(tcp, HALF, HEAD + b"X: ", b"x")], by_unix),
        ("bodies a byte at a time", [Crowd(tcp, HALF, body, b" ")], by_unix),
        ("half-sent requests at the experts' pages", [Crowd(pages, HALF, HEAD)], by_unix),
        ("clients that say nothing", [Crowd(tcp, CLIENTS, b"")], by_unix),
    ]
    if SHORT:
        crowds = [crowd for _, some, _ in attacks for crowd in some if crowd.begin != body]
        attacks = [("half-sent, slow and silent clients at once, over TCP", crowds, by_unix)]
    crowds = [Crowd(unix, HALF, HEAD)]
    attacks.append(("half-sent requests at the Unix socket", crowds, by_tcp))
    for what, crowds, api in attacks:
        attack(what, crowds, api, int(pid), 3 if SHORT else 30)
    until("the operator's socket answers", by_unix.is_ready)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
