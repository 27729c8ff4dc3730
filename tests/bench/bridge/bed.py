"""The bridge under measurement: the deployment of bed.sh, its API, and what /proc and sipp's own
trace say.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import ifmessage  # noqa: E402 (the path is set above)



class Bed:
    """Real Kamailio, Asterisk, ife-witnessd and ife-bridge; sipp as the expert's phone."""

    def __init__(self, work, backend):
        self.log = open(work / "bed.log", "wb")
        env = {"IFE_E2E_DIR": str(work), "KEEP": "1"}
        self.process = subprocess.Popen(
            ["bash", str(HERE / "bed.sh"), backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**os.environ, **env},
        )
        ready = self.process.stdout.readline()
        if not ready.startswith("{"):
            raise SystemExit(
                "bench: the deployment does not start: "
                f"{ready}{(work / 'bed.log').read_text()[-2000:]}"
            )
        told = json.loads(ready)
        self.stack, self.expert, self.suite = (
            pathlib.Path(told["stack"]),
            told["expert"],
            told["suite"],
        )
        self.kid, self.key = ifmessage.read_key(self.stack / "keys" / "guard-2026a.key")

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "done\n":
            raise SystemExit(f"bench: {command} failed: see {self.log.name}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)
        self.log.close()

    # The API.

    def connect(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(60)
        sock.connect(str(self.stack / "bridge.sock"))
        return sock

    def ask(self, method, path, body=None):
        """(status, parsed body) of one request."""
        with self.connect() as sock:
            sock.sendall(request(method, path, body))
            return answer(sock)

    def escalations(self, prefix, count, room=None):
        """Requests ready to be sent, by trace id."""
        found = {}
        for number in range(count):
            trace = f"{prefix}-{number:05d}"
            message = ifmessage.escalation(self.kid, self.key, f"m-{trace}", trace, "safety", room)
            found[trace] = request("POST", "/v1/escalations", message)
        return found

    def live(self):
        return [call for call in self.ask("GET", "/v1/calls")[1] if not call.get("ended")]

    def end_all(self):
        """Ends every call, and waits until Asterisk has none left."""
        calls = self.live()
        threads = [
            threading.Thread(target=self.ask, args=("DELETE", f"/v1/calls/{call['call_id']}"))
            for call in calls
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.wait(lambda: not self.live(), "calls to end")

    @staticmethod
    def wait(condition, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: waited {seconds} s for {what}")
            time.sleep(0.05)

    # Figures of the system.

    def pid(self, name):
        return int((self.stack / "run" / f"{name}.pid").read_text().split()[0])

    def asterisk(self, name):
        return int((self.stack / "testbed" / f"{name}.pid").read_text())

    def cpu_ms(self):
        """{part: CPU time so far, ms}, of all processes that a call passes through."""
        roots = {
            "Asterisk, gateway": self.asterisk("gateway"),
            "Kamailio": self.pid("kamailio"),
            "ife-bridge": self.pid("bridge"),
            "ife-witnessd": self.pid("witnessd"),
            "sipp": self.pid("safety"),
        }
        return {
            part: sum(cpu_ns(pid) for pid in family(root)) / 1e6 for part, root in roots.items()
        }

    def bridge_rss_mib(self):
        status = pathlib.Path(f"/proc/{self.pid('bridge')}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    def moments(self, way, start):
        """{trace id: unix time} of the first message at the phone that begins so, by sipp's trace.
        """
        call_of, found = {}, {}
        for moment, direction, text in sipp_messages(self.stack / "captures" / "safety.msg"):
            call_id = re.search(r"(?mi)^Call-ID:\s*(\S+)", text)
            if not call_id:
                continue
            if trace := re.search(r"(?mi)^X-IF-Trace-ID:\s*(\S+)", text):
                call_of.setdefault(call_id[1], trace[1])
            if direction == way and text.startswith(start) and call_id[1] in call_of:
                found.setdefault(call_of[call_id[1]], moment)
        return found


def family(root):
    """A process and all below it."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        found.append(todo.pop())
        todo.extend(children.get(found[-1], []))
    return found


def cpu_ns(pid):
    """User and system time of a process with its threads that have ended, in ticks of 10 ms as the
    kernel counts them.
    """
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def request(method, path, body=None):
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\n"
    if content:
        head += "Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def answer(sock):
    received = b""
    while piece := sock.recv(65536):
        received += piece
    head, _, content = received.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    return status, json.loads(content) if content.startswith((b"{", b"[")) else content


MARK = re.compile(r"^-{20,} (\d{4}-\d\d-\d\d)\s+(\d\d:\d\d:\d\d\.\d+)$", re.M)


def sipp_messages(path):
    """(unix time, sent or received, text) of each message that sipp has traced."""
    text = path.read_text(errors="replace") if path.exists() else ""
    marks = list(MARK.finditer(text))
    for this, following in zip(marks, marks[1:] + [None]):
        piece = text[this.end() : following.start() if following else len(text)].lstrip("\n")
        title, _, message = piece.partition("\n\n")
        day, _, fraction = f"{this[1]} {this[2]}".partition(".")
        moment = time.mktime(time.strptime(day, "%Y-%m-%d %H:%M:%S")) + float("0." + fraction)
        yield moment, "received" if "received" in title else "sent", message.lstrip("\n")
