#!/usr/bin/env python3
"""Scenarios of an expert's peer: peer.py SCENARIO LINK ...; each prints one line of JSON that says
what it saw.

  transfer LINK DIR [--turn]   redeems, takes all files, breaks the connection in the middle, goes
                               on with a new offer, sends the receipt
  abuse LINK                   wrong token, second redemption, messages that must be refused
  changed LINK FILE            a file is overwritten after it was offered, then asked for
  talk LINK                    messages in both directions, and the call's state until its end
  loss LINK DIR                a break that the connection survives (DIR/first, DIR/first-over), one
                               that it does not (DIR/second, DIR/second-over)
  expired LINK                 a link whose time has run out
  over LINK                    a link whose call is over
  guardian LINK                a guardian's link: the expert's acts are refused
"""

import asyncio
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol import PATIENCE_S, Channel, HttpError, Incoming, Link, frame_file


async def receive(channel, files, stop_after=None):
    """Asks for the missing bytes and takes them; with `stop_after`, so many verified bytes."""
    for file in files:
        if not file.is_whole() or file.entry["size"] == 0:
            channel.send("evidence.request", file=file.entry["id"], offset=len(file.verified))
    # An empty file ends when all was sent; of another one its last verified block does.
    while not all(file.is_whole() and (file.complete or file.entry["size"] > 0) for file in files):
        got = await channel.next()
        if isinstance(got, bytes):
            file = files[frame_file(got)]
            acknowledged = file.take(got)
            if acknowledged is not None:
                channel.send("evidence.ack", file=file.entry["id"], offset=acknowledged)
        elif got["type"] == "evidence.complete":
            files[got["file"]].complete = True
        elif got["type"] == "evidence.error":
            raise AssertionError(f"the bridge says {got}")
        if stop_after is not None and sum(len(file.verified) for file in files) >= stop_after:
            return


def relayed(channel):
    """Whether the pair that ICE chose goes by a TURN server."""
    transport = channel.pc.sctp.transport.transport
    pairs = transport._connection._nominated.values()
    return [pair.local_candidate.type for pair in pairs]


async def transfer(link, directory, *flags):
    description = link.redeem()
    servers = description["ice_servers"] if "--turn" in flags else None
    first = await Channel(link, description).connect(servers)
    manifest = await first.manifest()
    files = [Incoming(entry) for entry in manifest["files"]]
    total = sum(file.entry["size"] for file in files)
    await receive(first, files, stop_after=total // 2)
    kept = [len(file.verified) for file in files]
    kinds = relayed(first)
    await first.close()
    for file in files:
        file.block.clear()
    second = await Channel(link, link.state()).connect(servers)
    again = await second.manifest()
    assert again["manifest_sha256"] == manifest["manifest_sha256"], "the manifest has changed"
    await receive(second, files)
    receipt = [file.receipt() for file in files]
    second.send("evidence.receipt", manifest_sha256=manifest["manifest_sha256"], files=receipt)
    answer = await second.wait_for("evidence.receipt_ok")
    names = []
    for file in files:
        name = f"{file.entry['id']}-{file.entry['name']}"
        (pathlib.Path(directory) / name).write_bytes(file.verified)
        names.append(name)
    print(
        json.dumps(
            {
                "files": names,
                "kinds": [file.entry["media_type"] for file in files],
                "verified": [one["verified"] for one in receipt],
                "kept": sum(kept),
                "total": total,
                "entry": answer["entry"],
                "manifest": manifest["manifest_sha256"],
                "unavailable": link.state()["evidence"]["unavailable"],
                "candidates": kinds,
                "links": second.headers.get_all("Link") or [],
                "proof": await proofs(link, directory),
            }
        )
    )
    await second.close()


async def proofs(link, directory):
    """The proofs as files, once the log's next checkpoint has them; none where the bridge has no
    log.
    """
    for _ in range(600):
        try:
            found = link.proof()
        except HttpError as error:
            return error.problem["code"]
        if len(found) == 2:
            for name, one in found.items():
                (pathlib.Path(directory) / f"{name}.entry").write_text(one["entry"])
                (pathlib.Path(directory) / f"{name}.tlog-proof").write_text(one["proof"])
            return sorted(found)
        await asyncio.sleep(0.1)
    raise AssertionError("the log never had the entries")


async def abuse(link):
    seen = {}
    seen["wrong_token"] = link.status_of(
        "POST", "/redeem", body=b"", headers={"Authorization": "Bearer " + "A" * 43}
    )
    seen["no_cookie"] = link.status_of("GET", "/state")
    description = link.redeem()
    thief = Link(f"{link.base}#{link.token}")
    seen["second_redeem"] = thief.status_of(
        "POST", "/redeem", body=b"", headers={"Authorization": f"Bearer {link.token}"}
    )
    seen["no_offer"] = link.status_of(
        "POST", "/offer", body=b"v=0\r\n", headers={"Content-Type": "application/sdp"}
    )
    seen["large_offer"] = link.status_of(
        "POST", "/offer", body=b"a" * 70_000, headers={"Content-Type": "application/sdp"}
    )
    seen["no_sdp"] = link.status_of(
        "POST", "/offer", body=b"{}", headers={"Content-Type": "application/json"}
    )
    good = await Channel(link, description).connect()
    await good.manifest()
    # An honest mistake is no strike; three messages that must not be acted on end the connection.
    good.send("evidence.request", file=99, offset=0)
    seen["unknown_file"] = (await good.wait_for("evidence.error"))["code"]
    good.send("evidence.request", file=0, offset=5)
    seen["bad_offset"] = (await good.wait_for("evidence.error"))["code"]
    replayed = good.sealed("agent.message", message={"text": "once"})
    good.channel.send(replayed)
    good.channel.send(replayed)
    seen["replayed"] = (await good.wait_for("evidence.error"))["code"]
    good.channel.send(
        good.sealed("agent.message", key=Ed25519PrivateKey.generate(), message={"text": "forged"})
    )
    seen["wrong_signer"] = (await good.wait_for("evidence.error"))["code"]
    good.channel.send(good.sealed("agent.message", binding="0" * 64, message={"text": "elsewhere"}))
    seen["third"] = (await good.wait_for("evidence.error"))["code"]
    await asyncio.wait_for(good.closed.wait(), 60)
    # A new offer is as good as the first; frames are not for the bridge.
    again = await Channel(link, description).connect()
    await again.manifest()
    again.channel.send(b"IFE1" + bytes(12) + b"x")
    seen["frame"] = (await again.wait_for("evidence.error"))["code"]
    path = again.headers["Location"].removeprefix(f"/e/{link.session}")
    seen["hang_up"] = link.status_of("DELETE", path)
    seen["hang_up_again"] = link.status_of("DELETE", path)
    await again.close()
    print(json.dumps(seen))


async def changed(link, path):
    description = link.redeem()
    channel = await Channel(link, description).connect()
    manifest = await channel.manifest()
    with open(path, "r+b") as file:
        file.seek(300_000)
        file.write(b"not what was hashed")
    entry = manifest["files"][0]
    incoming = Incoming(entry)
    channel.send("evidence.request", file=0, offset=0)
    while True:
        got = await channel.next()
        if isinstance(got, bytes):
            incoming.take(got)
        elif got["type"] == "evidence.error":
            break
    channel.send(
        "evidence.receipt", manifest_sha256=manifest["manifest_sha256"], files=[incoming.receipt()]
    )
    await channel.wait_for("evidence.receipt_ok")
    print(
        json.dumps({"code": got["code"], "file": got["file"], "received": len(incoming.verified)})
    )
    await channel.close()


async def talk(link):
    channel = await Channel(link, link.redeem()).connect()
    await channel.manifest()
    channel.send("agent.message", message={"text": "the premise is wrong", "grade": 3})
    asked = await channel.wait_for("agent.message")
    heard = asked["message"]
    channel.send("agent.shown", id=asked["id"])
    # One with an id is taken once, however often it comes; each is answered.
    bounds, states = [], []
    for name, message in (
        ("m-1", {"heard": heard}),
        ("m-1", {"heard": heard}),
        ("m-2", {"text": "x" * 20_000}),
        ("m 3", {"text": "x"}),
    ):
        channel.send("agent.message", id=name, message=message)
        answer = await channel.next()
        while answer["type"] == "evidence.state":
            states.append(answer["call_state"])
            answer = await channel.next()
        bounds.append(f"{answer['id']} {answer.get('code', 'taken')}")
    while not states or states[-1] not in ("ended", "failed"):
        states.append((await channel.wait_for("evidence.state"))["call_state"])
    print(
        json.dumps(
            {
                "heard": heard,
                "bounds": bounds,
                "states": states,
                "afterwards": link.status_of("GET", "/state"),
            }
        )
    )
    await channel.close()


async def exists(path):
    """Waits for a file that the test's script makes."""
    for _ in range(PATIENCE_S * 20):
        if path.exists():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{path} never came")


async def loss(link, directory):
    directory = pathlib.Path(directory)
    first = await Channel(link, link.redeem()).connect()
    files = [Incoming(entry) for entry in (await first.manifest())["files"]]
    total = sum(file.entry["size"] for file in files)
    await receive(first, files, stop_after=total // 4)
    (directory / "first").touch()
    await exists(directory / "first-over")
    await receive(first, files, stop_after=total // 2)
    survived = sum(len(file.verified) for file in files)
    (directory / "second").touch()
    await exists(directory / "second-over")
    await first.close()
    for file in files:
        file.block.clear()
    second = await Channel(link, link.state()).connect()
    manifest = await second.manifest()
    await receive(second, files)
    receipt = [file.receipt() for file in files]
    second.send("evidence.receipt", manifest_sha256=manifest["manifest_sha256"], files=receipt)
    await second.wait_for("evidence.receipt_ok")
    print(
        json.dumps(
            {"survived": survived >= total // 2, "verified": [one["verified"] for one in receipt]}
        )
    )
    await second.close()


async def refused(link):
    try:
        link.redeem()
    except HttpError as error:
        print(json.dumps({"status": error.status, "code": error.problem["code"]}))
    else:
        raise AssertionError("the link was good")


async def guardian(link):
    description = link.redeem()
    channel = await Channel(link, description).connect()
    await channel.manifest()
    channel.send("agent.message", id="m-1", message={"text": "as the expert"})
    refusal = await channel.wait_for("agent.refused")
    seen = {path: link.status_of("POST", path, body=b"{}") for path in ("/accept", "/decision")}
    seen["asked"] = link.status_of("GET", "/decision")
    await channel.close()
    print(
        json.dumps(
            {
                "viewer": description["viewer"],
                "message": f"{refusal['id']} {refusal['code']}",
                **seen,
                "cookie": link.cookie,
            }
        )
    )


SCENARIOS = {
    "transfer": transfer,
    "abuse": abuse,
    "changed": changed,
    "talk": talk,
    "loss": loss,
    "expired": refused,
    "over": refused,
    "guardian": guardian,
}


def main():
    name, url, *rest = sys.argv[1:]
    asyncio.run(asyncio.wait_for(SCENARIOS[name](Link(url), *rest), 2 * PATIENCE_S))


main()
