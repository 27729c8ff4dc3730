"""A SIP connection over TCP or TLS."""

import os
import re
import select
import socket
import ssl
import time

import sip

LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*(\d+)", re.I)


def tls_context():
    tls = f"{os.environ['STACK']}/tls"
    context = ssl.create_default_context(cafile=f"{tls}/ca.pem")
    context.check_hostname = False
    context.load_cert_chain(f"{tls}/client.pem", f"{tls}/client.key")
    return context


class Stream:
    """One connection to the proxy. Each method raises OSError once the other side has closed."""

    context = None

    def __init__(self, address, tls=False, connect_s=5.0):
        sock = socket.socket()
        sock.settimeout(connect_s)
        sock.bind((address, 0))
        if tls:
            Stream.context = Stream.context or tls_context()
            sock.connect((sip.PROXY[0], int(os.environ["TLS_PORT"])))
            sock = Stream.context.wrap_socket(sock)
        else:
            sock.connect(sip.PROXY)
        self.sock, self.buffer, self.tls, self.limit_s = sock, b"", tls, connect_s
        self.local = "%s:%d" % sock.getsockname()[:2]

    def send(self, raw):
        self.sock.sendall(raw)

    def read(self, wait_s):
        """Takes in bytes that arrive within `wait_s`; False when there was nothing."""
        pending = self.tls and self.sock.pending()
        if not pending and not select.select([self.sock], [], [], wait_s)[0]:
            return False
        self.sock.settimeout(0)
        try:
            data = self.sock.recv(65535)
        except (BlockingIOError, ssl.SSLWantReadError):
            # A record of TLS itself, such as a session ticket.
            return False
        finally:
            self.sock.settimeout(self.limit_s)
        if not data:
            raise ConnectionResetError("closed")
        self.buffer += data
        return True

    def messages(self):
        """Whole messages that have been read."""
        while True:
            self.buffer = self.buffer.lstrip(b"\r\n")
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            found = LENGTH.search(head)
            length = int(found[1]) if found else 0
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            yield head + end + rest[:length]

    def replies(self, limit_s):
        """Parsed messages until `limit_s` have passed."""
        end = time.time() + limit_s
        while (left := end - time.time()) > 0:
            if self.read(left):
                yield from (sip.Parsed(raw) for raw in self.messages())

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass
