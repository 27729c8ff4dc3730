"""A SIP address: UDP and TCP on one port, an inbox to wait on, and every message in the case's
trace.
"""

import socket
import threading
import time

from .message import Message, take_messages

# What an answer may take on a slow machine; nothing is measured with it.
PATIENCE_S = 6.0


class Missing(AssertionError):
    """A message that should have come did not."""


class Trace:
    """All messages of a case in one file, in the order in which they were seen."""

    def __init__(self, path):
        self.file, self.lock = open(path, "w", encoding="utf-8"), threading.Lock()

    def write(self, name, arrow, peer, transport, raw):
        with self.lock:
            text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
            self.file.write(
                f"---- {time.time():.3f} {name} {arrow} {transport}:{peer[0]}:{peer[1]}\n{text}\n"
            )
            self.file.flush()

    def note(self, text):
        with self.lock:
            self.file.write(f"==== {text}\n")


class Endpoint:
    """`handler`, if set, takes each new message in the receiving thread; otherwise messages wait in
    the inbox.

    A message whose bytes came before from the same peer is a retransmission: it is counted and
    not shown.
    """

    def __init__(self, trace, name, ip, port):
        self.trace, self.name, self.ip, self.port = trace, name, ip, port
        self.inbox, self.seen, self.handler = [], {}, None
        self.changed = threading.Condition()
        self.connections, self.sockets, self.closed = {}, [], False
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self.family = family
        self.udp = self.bound(socket.SOCK_DGRAM)
        listener = self.bound(socket.SOCK_STREAM)
        listener.listen(64)
        self.receiver = threading.Thread(target=self.receive_datagrams, daemon=True)
        self.receiver.start()
        threading.Thread(target=self.accept_connections, args=(listener,), daemon=True).start()

    def bound(self, kind):
        sock = socket.socket(self.family, kind)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.ip, self.port))
        self.sockets.append(sock)
        return sock

    def close(self):
        """Shuts down first: a thread that waits in recv() would keep the port."""
        self.closed = True
        self.receiver.join()
        for sock in [*self.sockets, *self.connections.values()]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def receive_datagrams(self):
        self.udp.settimeout(0.1)
        while not self.closed:
            try:
                raw, peer = self.udp.recvfrom(65535)
            except TimeoutError:
                continue
            except OSError:
                return
            if raw.strip():
                self.take(raw, peer[:2], "UDP", None)

    def accept_connections(self, listener):
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            self.keep_connection(connection, peer[:2])

    def keep_connection(self, connection, peer):
        self.connections[peer] = connection
        threading.Thread(target=self.receive_stream, args=(connection, peer), daemon=True).start()

    def receive_stream(self, connection, peer):
        buffer = b""
        while True:
            try:
                data = connection.recv(65535)
            except OSError:
                data = b""
            if not data:
                self.connections.pop(peer, None)
                return
            messages, buffer = take_messages(buffer + data)
            for raw in messages:
                self.take(raw, peer, "TCP", connection)

    def take(self, raw, peer, transport, connection):
        self.trace.write(self.name, "<-", peer, transport, raw)
        with self.changed:
            copies = self.seen[raw, peer] = self.seen.get((raw, peer), 0) + 1
        if copies > 1:
            return
        message = Message.parse(raw)
        message.source, message.transport, message.connection = peer, transport, connection
        if self.handler:
            self.handler(self, message)
            return
        self.put(message)

    def put(self, message):
        """Into the inbox."""
        with self.changed:
            self.inbox.append(message)
            self.changed.notify_all()

    def send(self, message, address, transport="UDP", connection=None):
        """Over the connection if there is one, else by the transport; a TCP connection is opened
        once per peer.
        """
        raw = message if isinstance(message, bytes) else message.encode()
        address = (address[0], address[1])
        self.trace.write(self.name, "->", address, transport, raw)
        if transport == "UDP":
            self.udp.sendto(raw, address)
            return
        if connection is None:
            connection = self.connections.get(address)
        if connection is None:
            connection = socket.socket(self.family, socket.SOCK_STREAM)
            connection.bind((self.ip, 0))
            connection.connect(address)
            self.keep_connection(connection, address)
        connection.sendall(raw)

    def forget_connections(self):
        """The next message over TCP has a connection of its own; those that are open stay so."""
        self.connections = {}

    def answer(self, request, message):
        """Where the request came from."""
        self.send(message, request.source, request.transport, request.connection)

    def expect(self, wanted, call_id=None, patience_s=PATIENCE_S):
        """The first message in the inbox that is `wanted`: a method, a code, or a test; it is taken
        out.
        """
        deadline = time.monotonic() + patience_s
        with self.changed:
            while True:
                for message in self.inbox:
                    if matches(message, wanted) and call_id in (None, message.call_id):
                        self.inbox.remove(message)
                        return message
                left = deadline - time.monotonic()
                if left <= 0:
                    there = "; ".join(map(str, self.inbox)) or "nothing"
                    raise Missing(
                        f"{self.name} has waited for {describe(wanted)}; there is {there}"
                    )
                self.changed.wait(left)

    def final(self, request, patience_s=30.0):
        """The final response to a request."""

        def is_final(message):
            same = (message.call_id, message.get("cseq")) == (request.call_id, request.get("cseq"))
            return not message.is_request() and message.code >= 200 and same

        is_final.wanted = f"the final response to {request.start}"
        return self.expect(is_final, patience_s=patience_s)

    def holds(self, wanted=lambda _: True):
        """Messages that wait in the inbox and are `wanted`."""
        with self.changed:
            return [message for message in self.inbox if matches(message, wanted)]

    def drain(self):
        with self.changed:
            self.inbox.clear()


def matches(message, wanted):
    if isinstance(wanted, str):
        return message.is_request() and message.method == wanted
    if isinstance(wanted, int):
        return message.code == wanted
    return wanted(message)


def describe(wanted):
    return getattr(wanted, "wanted", wanted)
