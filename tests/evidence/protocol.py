"""The expert's side of docs/evidence.md, written from that page alone: HTTP by the standard
library, WebRTC by aiortc.

It shares no code with the bridge. `Link` is section 1, `Channel` is section 2; a scenario's acts
with them is in peer.py.
"""

import asyncio
import base64
import datetime
import hashlib
import json
import os
import re
import struct
import urllib.error
import urllib.parse
import urllib.request

import aioice.ice
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LABEL = "if-agent-messaging"
PATIENCE_S = int(os.environ.get("PEER_PATIENCE_S", "60"))

# aioice never offers a loopback address by itself, and a test's machine may have no other.
if os.environ.get("PEER_ADDRESS"):
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [os.environ["PEER_ADDRESS"]]


def note_secret(what, text):
    """Writes what crossed the wire and must not be kept to PEER_SECRETS, where that is set."""
    if os.environ.get("PEER_SECRETS"):
        with open(os.environ["PEER_SECRETS"], "a", encoding="utf-8") as file:
            file.write(f"{what}\t{text}\n")


def note_password(what, sdp):
    note_secret(f"{what} ice-pwd", re.search(r"^a=ice-pwd:(\S+)", sdp, re.MULTILINE)[1])


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value):
    """RFC 8785 for what occurs here: names in ASCII, integers, no floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256_hex(data):
    return hashlib.sha256(data).hexdigest()


class HttpError(Exception):
    def __init__(self, status, problem):
        super().__init__(f"{status} {problem}")
        self.status = status
        self.problem = problem


class Link:
    """Section 1: the link and what can be asked with it."""

    def __init__(self, url):
        base, _, self.token = url.partition("#")
        self.base = base
        self.origin = base.split("/e/")[0]
        self.session = base.rsplit("/", 1)[1]
        self.cookie = None

    def request(self, method, path="", body=None, headers=None):
        request = urllib.request.Request(
            self.base + path, data=body, method=method, headers=headers or {}
        )
        if self.cookie:
            request.add_header("Cookie", self.cookie)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                return response.status, response.headers, response.read()
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                problem = json.loads(text)
            except ValueError:
                problem = {"detail": text.decode(errors="replace")}
            raise HttpError(error.code, problem) from None

    def redeem(self, token=None):
        headers = {"Authorization": f"Bearer {token or self.token}"}
        _, headers, body = self.request("POST", "/redeem", b"", headers)
        cookie = headers["Set-Cookie"]
        assert (
            "HttpOnly" in cookie
            and "SameSite=Strict" in cookie
            and f"Path=/e/{self.session}" in cookie
        ), cookie
        self.cookie = cookie.split(";")[0]
        note_secret("cookie", self.cookie.partition("=")[2])
        return json.loads(body)

    def state(self):
        return json.loads(self.request("GET", "/state")[2])

    def proof(self):
        return json.loads(self.request("GET", "/proof")[2])

    def offer(self, sdp):
        status, headers, body = self.request(
            "POST", "/offer", sdp.encode(), {"Content-Type": "application/sdp"}
        )
        assert status == 201, status
        note_password("offered", sdp)
        note_password("answered", body.decode())
        return body.decode(), headers

    def status_of(self, method, path="", **more):
        """The status of a request that may be refused."""
        try:
            return self.request(method, path, **more)[0]
        except HttpError as error:
            return error.status


def fingerprint(sdp):
    for line in sdp.splitlines():
        if line.startswith("a=fingerprint:sha-256 "):
            return "sha-256 " + line.split(" ", 1)[1].strip().upper()
    raise ValueError("no sha-256 fingerprint in the SDP")


class Channel:
    """Section 2: one connection."""

    def __init__(self, link, description):
        self.link = link
        self.description = description
        self.key = Ed25519PrivateKey.generate()
        self.bridge_key = Ed25519PublicKey.from_public_bytes(
            base64.b64decode(description["bridge_key"].removeprefix("ed25519:"))
        )
        self.inbox = asyncio.Queue()
        self.sequence = 0
        self.last = 0
        self.closed = asyncio.Event()
        self.problems = []

    async def connect(self, ice_servers=None):
        servers = [
            RTCIceServer(urls=s["urls"], username=s["username"], credential=s["credential"])
            for s in ice_servers or []
        ]
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self.channel = self.pc.createDataChannel(LABEL, ordered=True)
        opened = asyncio.Event()
        self.channel.on("open", opened.set)
        self.channel.on("close", self.closed.set)
        self.channel.on("message", self.inbox.put_nowait)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        offer = self.pc.localDescription.sdp
        answer, self.headers = await asyncio.to_thread(self.link.offer, offer)
        lines = [
            "if-evidence-v1",
            self.link.session,
            self.description["trace_id"],
            fingerprint(offer),
            fingerprint(answer),
        ]
        self.binding = sha256_hex("".join(line + "\n" for line in lines).encode())
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.wait_for(opened.wait(), PATIENCE_S)
        public = base64.b64encode(self.key.public_key().public_bytes_raw()).decode()
        self.send("evidence.hello", public_key="ed25519:" + public)
        return self

    def sealed(self, kind, key=None, sequence=None, binding=None, **members):
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        now = datetime.datetime.now(datetime.timezone.utc)
        message = {
            "id": f"{self.link.session}-{sequence}",
            "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "level": 1,
            "source": self.description["viewer"],
            "destination": self.description["bridge"],
            "performative": "inform",
            "traceId": self.description["trace_id"],
            "conversation_id": self.link.session,
            "sequence_num": sequence,
            "payload": {"type": kind, "binding": binding or self.binding, **members},
        }
        sig = (key or self.key).sign(canonical(message))
        message["signature"] = {"alg": "ed25519", "kid": "aiortc", "sig": b64url(sig)}
        return canonical(message).decode()

    def send(self, kind, **members):
        self.channel.send(self.sealed(kind, **members))

    async def next(self, timeout=PATIENCE_S):
        """The next frame (bytes) or the payload of the next message, checked."""
        data = await asyncio.wait_for(self.inbox.get(), timeout)
        return data if isinstance(data, bytes) else self.opened(data)

    def opened(self, text):
        message = json.loads(text)
        assert canonical(message).decode() == text, "a message is not in canonical form"
        signature = message.pop("signature")
        try:
            self.bridge_key.verify(unb64url(signature["sig"]), canonical(message))
        except InvalidSignature:
            raise AssertionError("a message of the bridge does not verify") from None
        assert message["payload"]["binding"] == self.binding, (
            "a message is bound to another connection"
        )
        assert (
            message["conversation_id"] == self.link.session
            and message["traceId"] == self.description["trace_id"]
        )
        assert message["sequence_num"] > self.last, "a message came again"
        self.last = message["sequence_num"]
        return message["payload"]

    async def wait_for(self, kind, timeout=PATIENCE_S):
        """The next message of this type; errors on the way are kept in `problems`."""
        while True:
            payload = await self.next(timeout)
            if isinstance(payload, bytes):
                continue
            if payload["type"] == kind:
                return payload
            if payload["type"] == "evidence.error":
                self.problems.append(payload["code"])

    async def manifest(self):
        payload = await self.wait_for("evidence.manifest")
        assert sha256_hex(canonical(payload["files"])) == payload["manifest_sha256"], (
            "the manifest's hash is not its hash"
        )
        for place, file in enumerate(payload["files"]):
            size, block = file["size"], 262_144
            while -(-size // block) > 2_048:
                block *= 2
            assert file["id"] == place and file["block_size"] == block, file
            assert len(file["blocks"]) == -(-size // block), file
        return payload

    async def close(self):
        await self.pc.close()


class Incoming:
    """One file on its way in: blocks are verified before they count."""

    def __init__(self, entry):
        self.entry = entry
        self.verified = bytearray()
        self.block = bytearray()
        self.complete = entry["size"] == 0

    def take(self, frame):
        """A chunk frame of this file; gives the offset to acknowledge when a block is whole."""
        offset = struct.unpack(">Q", frame[8:16])[0]
        data = frame[16:]
        size, block_size = self.entry["size"], self.entry["block_size"]
        expected = len(self.verified) + len(self.block)
        if offset < expected:
            # It was under way when the file was asked for anew.
            return None
        assert offset == expected, f"a hole before {offset}"
        assert 0 < len(data) <= 65_536
        self.block += data
        length = min(block_size, size - len(self.verified))
        assert len(self.block) <= length, "a chunk crosses the end of a block"
        if len(self.block) < length:
            return None
        number = len(self.verified) // block_size
        digest = hashlib.sha256(self.block).digest()
        assert b64url(digest) == self.entry["blocks"][number], (
            f"block {number} is not what the manifest says"
        )
        self.verified += self.block
        self.block.clear()
        return len(self.verified)

    def is_whole(self):
        return len(self.verified) == self.entry["size"]

    def receipt(self):
        digest = sha256_hex(self.verified)
        verified = self.is_whole() and digest == self.entry["sha256"]
        return {
            "file": self.entry["id"],
            "size": len(self.verified),
            "sha256": digest,
            "verified": verified,
        }


def frame_file(frame):
    assert frame[:4] == b"IFE1", frame[:4]
    return struct.unpack(">I", frame[4:8])[0]
