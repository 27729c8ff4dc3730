"""Orders calls as bridges do, and prints the dialplan's acts.

orders.py ADDRESS SECRET race COUNT                  how many of so many calls were dialled once
orders.py ADDRESS SECRET one CALL NODE TRIED TAKES   dialled or refused
"""

import random
import re
import socket
import sys
import threading
import time

# Q.850 cause of a call that is another bridge's.
TAKEN_ELSEWHERE = "81"
PATIENCE_S = 30


class Session:
    """A connection to AMI, and the channels that it has seen."""

    def __init__(self, address, secret):
        self.socket = socket.create_connection((address, 5038), PATIENCE_S)
        self.lock = threading.Condition()
        self.dialled, self.ended = set(), {}
        self.order("Login", Username="ife-bridge", Secret=secret)
        threading.Thread(target=self.read, daemon=True).start()

    def order(self, action, variables=(), **headers):
        lines = [f"Action: {action}", *(f"{key}: {value}" for key, value in headers.items())]
        lines += [f"Variable: {name}={value}" for name, value in variables]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def read(self):
        received = b""
        while piece := self.socket.recv(65536):
            received += piece
            while b"\r\n\r\n" in received:
                message, _, received = received.partition(b"\r\n\r\n")
                self.follow(dict(re.findall(r"(?m)^(\w+): (.*?)\r?$", message.decode())))

    def follow(self, event):
        with self.lock:
            if event.get("Event") == "Newchannel" and event["Channel"].startswith("PJSIP/"):
                self.dialled.add(event["Linkedid"])
            if event.get("Event") == "Hangup":
                self.ended[event["Uniqueid"]] = event.get("Cause")
            self.lock.notify_all()

    def call(self, call, node, tried=1, takes=""):
        """Orders a call, and returns the name of its channel."""
        channel = f"ife.{node}.{call}.{random.randrange(1 << 32):x}"
        variables = {
            "IFE_USER": "expert-safety",
            "IFE_HOST": "external.advisor",
            "IFE_CALLER": "council",
            "IFE_RING_S": 20,
            "IFE_NAME": "c2FmZXR5",
            "IFE_CALL": call,
            "IFE_NODE": node,
            "IFE_TRIED": tried,
            "IFE_TAKES": takes,
        }
        headers = {
            "Channel": "Local/call@ife-expert/n",
            "ChannelId": channel,
            "OtherChannelId": f"{channel}.b",
            "Context": "ife-join",
            "Exten": "confbridge",
            "Priority": 1,
            "Timeout": 20000,
            "Async": "true",
        }
        self.order("Originate", variables.items(), **headers)
        return channel

    def outcome(self, channel):
        """Waits for the end of both halves: dialled or refused."""
        halves = (channel, f"{channel}.b")
        with self.lock:
            is_over = self.lock.wait_for(lambda: set(halves) <= self.ended.keys(), PATIENCE_S)
            if not is_over:
                return "no end"
            if channel in self.dialled:
                return "dialled"
            causes = {self.ended[half] for half in halves}
            return "refused" if TAKEN_ELSEWHERE in causes else f"causes {causes}"


def race(sessions, count):
    found = {}
    calls = [f"{number:02x}{random.randrange(1 << 56):014x}" for number in range(count)]
    ordered = [(sessions[0].call(call, "east"), sessions[1].call(call, "west")) for call in calls]
    for pair in ordered:
        outcomes = tuple(sorted(sessions[0].outcome(channel) for channel in pair))
        found[outcomes] = found.get(outcomes, 0) + 1
    once = found.pop(("dialled", "refused"), 0)
    return f"{once}" + "".join(f", {count} times {outcomes}" for outcomes, count in found.items())


def main():
    address, secret, command, *rest = sys.argv[1:]
    sessions = [Session(address, secret), Session(address, secret)]
    # Events before the login is over are not seen.
    time.sleep(0.5)
    if command == "race":
        print(race(sessions, int(rest[0])))
    else:
        call, node, tried, takes = rest
        print(sessions[0].outcome(sessions[0].call(call, node, tried, takes)))


if __name__ == "__main__":
    main()
