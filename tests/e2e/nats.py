#!/usr/bin/env python3
"""A NATS client as small as the cases need: the protocol is text (docs.nats.io, "NATS Protocol" and
"JetStream wire API").

usage: nats.py PORT COMMAND ...
  stream NAME SUBJECT...            makes a stream on disk
  publish SUBJECT [HEADER=VALUE..]  the body from stdin to JetStream; prints its acknowledgement
  request SUBJECT                   the body from stdin; prints the first reply
  info STREAM [CONSUMER]            prints the state of a stream or consumer
  messages STREAM                   prints every message of a stream, one line of JSON each
  api NAME [JSON]                   a request to JetStream itself, such as STREAM.DELETE.<stream>

NATS_CA in the environment names the authority of a server that speaks TLS, NATS_CREDS a file of
credentials.
"""
import base64
import json
import os
import socket
import ssl
import sys

PATIENCE_S = 10


class Nats:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        # Byte by byte: what follows the line belongs to TLS.
        info = b""
        while not info.endswith(b"\n"):
            info += self.socket.recv(1)
        if "NATS_CA" in os.environ:
            self.socket = ssl.create_default_context(cafile=os.environ["NATS_CA"]).wrap_socket(
                self.socket, server_hostname="localhost"
            )
        self.file = self.socket.makefile("rb")
        connect = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True}
        if "NATS_CREDS" in os.environ:
            connect |= signed(
                json.loads(info.partition(b" ")[2])["nonce"], os.environ["NATS_CREDS"]
            )
        self.send(f"CONNECT {json.dumps(connect)}\r\n")
        self.inbox = "_INBOX.case"
        self.send(f"SUB {self.inbox} 1\r\n")

    def send(self, text, body=b""):
        self.socket.sendall(text.encode() + body)

    def request(self, subject, body=b"", headers=()):
        """The body of the first reply."""
        if headers:
            block = (
                "NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
            ).encode()
            self.send(
                f"HPUB {subject} {self.inbox} {len(block)} {len(block) + len(body)}\r\n",
                block + body + b"\r\n",
            )
        else:
            self.send(f"PUB {subject} {self.inbox} {len(body)}\r\n", body + b"\r\n")
        while True:
            line = self.file.readline().decode().split()
            if not line:
                sys.exit("nats.py: the connection is closed")
            if line[0] == "PING":
                self.send("PONG\r\n")
            elif line[0] in ("MSG", "HMSG"):
                whole = self.file.read(int(line[-1]) + 2)[:-2]
                if line[0] == "MSG":
                    return whole
                head, rest = whole[: int(line[-2])], whole[int(line[-2]) :]
                if b" 503" in head.split(b"\r\n", 1)[0]:
                    sys.exit(f"nats.py: nobody answers at {subject}")
                return rest
            elif line[0] == "-ERR":
                sys.exit("nats.py: " + " ".join(line))

    def api(self, name, request=None):
        answer = json.loads(
            self.request(f"$JS.API.{name}", json.dumps(request).encode() if request else b"")
        )
        if "error" in answer:
            sys.exit(f"nats.py: {name}: {answer['error']['description']}")
        return answer


def signed(nonce, path):
    """A user in CONNECT: the token of the credentials, and the nonce signed by their key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    with open(path) as file:
        token, seed = [line.strip() for line in file if line.strip() and not line.startswith("---")]
    raw = base64.b32decode(seed + "=" * (-len(seed) % 8))[2:-2]
    signature = Ed25519PrivateKey.from_private_bytes(raw).sign(nonce.encode())
    return {"jwt": token, "sig": base64.urlsafe_b64encode(signature).decode().rstrip("=")}


def headers_of(text):
    lines = base64.b64decode(text or "").decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def messages(nats, stream):
    state = nats.api(f"STREAM.INFO.{stream}")["state"]
    # A stream that has never held a message has 0 as its first and its last number.
    for seq in range(state["first_seq"] or 1, state["last_seq"] + 1):
        message = nats.api(f"STREAM.MSG.GET.{stream}", {"seq": seq})["message"]
        body = base64.b64decode(message.get("data", "")).decode("utf-8", "replace")
        print(
            json.dumps(
                {
                    "seq": seq,
                    "subject": message["subject"],
                    "headers": headers_of(message.get("hdrs")),
                    "body": body,
                }
            )
        )


def main(port, command, *args):
    nats = Nats(int(port))
    if command == "stream":
        name, *subjects = args
        nats.api(
            f"STREAM.CREATE.{name}",
            {
                "name": name,
                "subjects": subjects,
                "storage": "file",
                "retention": "limits",
                "num_replicas": 1,
            },
        )
    elif command == "publish":
        subject, *pairs = args
        print(
            nats.request(
                subject, sys.stdin.buffer.read(), [pair.split("=", 1) for pair in pairs]
            ).decode()
        )
    elif command == "request":
        print(nats.request(args[0], sys.stdin.buffer.read()).decode())
    elif command == "info":
        print(
            json.dumps(
                nats.api(
                    f"CONSUMER.INFO.{args[0]}.{args[1]}"
                    if len(args) == 2
                    else f"STREAM.INFO.{args[0]}"
                )
            )
        )
    elif command == "messages":
        messages(nats, *args)
    elif command == "api":
        print(json.dumps(nats.api(args[0], json.loads(args[1]) if len(args) == 2 else None)))
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
