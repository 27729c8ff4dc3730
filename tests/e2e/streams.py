#!/usr/bin/env python3
"""TCP connections for the end-to-end cases.

streams.py hold ADDRESS PORT SOURCE COUNT    keeps COUNT idle connections open, opening
                                             anew what is closed, until it is stopped
streams.py keep ADDRESS PORT SOURCE FILE GO  opens one and prints "open", waits until the
                                             path GO is there, sends FILE over it, prints
                                             the first line of the answer or "closed"
"""

import pathlib
import resource
import selectors
import socket
import sys
import time


def connect(address, port, source):
    stream = socket.create_connection((address, port), timeout=5, source_address=(source, 0))
    stream.setblocking(False)
    return stream


def open_more(address, port, source, count, selector):
    """Opens the missing ones; a connection that is refused is tried again in the next round."""
    for _ in range(count - len(selector.get_map())):
        try:
            selector.register(connect(address, port, source), selectors.EVENT_READ)
        except OSError:
            return


def hold(address, port, source, count):
    resource.setrlimit(
        resource.RLIMIT_NOFILE,
        (count + 64, max(count + 64, resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
    )
    selector = selectors.DefaultSelector()
    while True:
        open_more(address, port, source, count, selector)
        print(len(selector.get_map()), flush=True)
        # Nothing is sent, so what can be read has ended.
        for key, _ in selector.select(timeout=0.2):
            selector.unregister(key.fileobj)
            key.fileobj.close()


def keep(address, port, source, file, go):
    stream = connect(address, port, source)
    stream.setblocking(True)
    stream.settimeout(10)
    print("open", flush=True)
    while not pathlib.Path(go).exists():
        time.sleep(0.05)
    try:
        stream.sendall(
            pathlib.Path(file)
            .read_bytes()
            .replace(b"@LOCAL@", b"%s:%d" % (source.encode(), stream.getsockname()[1]))
        )
        answer = stream.recv(4096)
    except OSError:
        answer = b""
    print(answer.split(b"\r\n")[0].decode() or "closed")


if __name__ == "__main__":
    if sys.argv[1] == "hold":
        hold(sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    else:
        keep(sys.argv[2], int(sys.argv[3]), *sys.argv[4:7])
