#!/usr/bin/env python3
"""Steps of the part room-truth.

usage: room_truth.py admission KEY_FILE PII       a guardian's request, signed
       room_truth.py dial AMI_HOST SECRET SECONDS [H323ID]   dials in; prints yes or no
       room_truth.py compare DIR     entries, rooms.json and channels: differences, exit code 1
"""
import json
import pathlib
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from guardian import signed  # noqa: E402


def admission(key_file, pii):
    print(json.dumps(signed(key_file, "admission", "council", pii)))


def dial(host, secret_file, seconds, h323_id=""):
    """The council's Asterisk calls the gateway; its answer is the gateway's."""
    secret = pathlib.Path(secret_file).read_text(encoding="ascii").strip()
    with socket.create_connection((host, 5038), 20) as sock, sock.makefile("rw", newline="") as ami:
        def order(**headers):
            ami.write("".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n")
            ami.flush()

        order(Action="Login", Username="tests", Secret=secret, Events="call")
        more = {"Variable": f"CALLER_H323ID={h323_id}"} if h323_id else {}
        order(Action="Originate", ActionID="dial", Channel="OOH323/council@gateway-4b1e",
              Application="Wait", Data=seconds, Async="true", Timeout="10000", **more)
        message = {}
        for line in ami:
            name, _, value = line.strip().partition(": ")
            if name:
                message[name] = value
                continue
            if message.get("Event") == "OriginateResponse" and message.get("ActionID") == "dial":
                print("yes" if message["Response"] == "Success" else "no")
                return
            message = {}
    sys.exit("the council's Asterisk does not answer")


def logged(entries):
    """The rooms as the log has them."""
    rooms = {}
    for entry in entries:
        room, who = entry.get("room"), entry.get("participant")
        match entry["event"]:
            case "ROOM_OPEN":
                rooms.setdefault(room, set())
            case "ROOM_END":
                rooms.pop(room, None)
            case "COUNCIL_JOIN":
                rooms.setdefault(room, set()).add(who)
            case "COUNCIL_LEAVE":
                rooms.get(room, set()).discard(who)
    return rooms


def held(channels):
    """The conferences as Asterisk has them."""
    rooms = {}
    for line in channels:
        fields = line.strip().split("!")
        if len(fields) > 7 and fields[5] == "ConfBridge":
            room = fields[6].split(",")[0]
            rooms.setdefault(room, set()).add(f"confbridge:{room}:{fields[-1]}")
    return rooms


def compare(directory):
    base = pathlib.Path(directory)
    with open(base / "entries", encoding="utf-8") as file:
        entries = [json.loads(line) for line in file if line.strip()]
    ours = [entry for entry in entries if entry["producer"] == "bridge-node1"]
    log = logged(sorted(ours, key=lambda entry: (entry["epoch"], entry["seq"])))
    shown = {room["call_id"]: {one["id"] for one in room["participants"]}
             for room in json.loads((base / "rooms.json").read_text(encoding="utf-8"))}
    conferences = held((base / "channels").read_text(encoding="utf-8").splitlines())
    if log == shown == conferences:
        return 0
    for name, rooms in (("log", log), ("list", shown), ("conference", conferences)):
        print(name, {room: sorted(members) for room, members in rooms.items()}, end="; ")
    return 1


if __name__ == "__main__":
    sys.exit({"admission": admission, "dial": dial, "compare": compare}[sys.argv[1]](*sys.argv[2:]))
