"""Makes TLS connections from strangers' addresses, sixteen at once, and sees whether the server
lives.
"""

import concurrent.futures
import os
import random
import socket
import ssl
import sys

import sip
import stream
import watch


def options(number):
    return sip.message(
        "OPTIONS sip:proxy.example SIP/2.0",
        [
            ("Via", f"SIP/2.0/TLS 203.0.113.10;branch=z9hG4bKtls{number};rport"),
            ("Max-Forwards", "70"),
            ("From", "<sip:a@stranger.example>;tag=1"),
            ("To", "<sip:proxy.example>"),
            ("Call-ID", f"tls.{number}"),
            ("CSeq", "1 OPTIONS"),
        ],
    )


def with_certificate(number):
    """A request must get its answer."""
    link = stream.Stream(sip.STRANGERS[number % len(sip.STRANGERS)], tls=True)
    link.send(options(number))
    answered = any(reply.code == 200 for reply in link.replies(5) if reply.code)
    link.close()
    return answered


def plain(number):
    sock = socket.socket()
    sock.settimeout(10)
    sock.bind((sip.STRANGERS[number % len(sip.STRANGERS)], 0))
    sock.connect((sip.PROXY[0], int(os.environ["TLS_PORT"])))
    return sock


def without_certificate(number):
    """The handshake must fail, by an alert."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with plain(number) as sock:
        try:
            with context.wrap_socket(sock) as tls:
                return tls.recv(1) == b""
        except ssl.SSLError:
            return True


def garbage(number):
    """The connection may be closed, or wait for the rest of what looks like the beginning of a
    record.
    """
    noise = random.Random(sip.SEED + number).randbytes(300)
    with plain(number) as sock:
        sock.sendall(noise)
        try:
            return sock.recv(100) is not None
        except (ConnectionResetError, TimeoutError):
            return True


def main():
    rounds = 100 if sip.SHORT else 1000
    ways = (
        ("with a certificate and a request", with_certificate, rounds * 3),
        ("without a certificate", without_certificate, rounds),
        ("that are garbage", garbage, rounds),
    )
    for name, way, times in ways:
        before = watch.snapshot()

        def attempt(number, way=way):
            try:
                return bool(way(number))
            except OSError:
                return False

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            good = sum(pool.map(attempt, range(times)))
        after = watch.snapshot()
        alive = bool(after) and after["pids"] == before["pids"]
        note = watch.compared(before, after)
        sip.result(
            f"TLS handshakes {name}, 16 at once",
            times,
            lost=times - good,
            ok=alive and good == times,
            note=note,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
