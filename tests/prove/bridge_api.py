"""The bridge's API by HTTP over its Unix socket or TCP, a wait that polls, and a line of the part's
results.
"""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import time

ENV = os.environ
SHORT = ENV.get("SCALE") == "short"
SEED = int(ENV.get("SEED", "1"))
STACK = pathlib.Path(ENV["STACK"])
SAFETY, ETHICS = ENV["SAFETY"], ENV["ETHICS"]


def result(fault, rounds, lost=0, doubled=0, ok=True, note=""):
    line = {"fault": fault, "rounds": rounds, "lost": lost, "doubled": doubled, "through": 0}
    line |= {"ok": ok, "note": note}
    with open(ENV["PROVE_RESULTS"], "a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
    print(line, flush=True)


def until(what, probe, limit_s=90.0):
    """Polls until `probe` is true; AssertionError after a generous time."""
    end = time.monotonic() + limit_s
    while not probe():
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.1)


class Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("bridge", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    """One request a connection. An answer that does not come in `timeout` has status 0."""

    def __init__(self, at, token=None, timeout=60.0):
        self.at, self.timeout = at, timeout
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method, path, body=None):
        headers = dict(self.headers)
        if body is not None:
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        connection = self._connection()
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith((b"{", b"[")) else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            return 0, {"detail": str(error)}
        finally:
            connection.close()

    def _connection(self):
        if isinstance(self.at, tuple):
            return http.client.HTTPConnection(*self.at, timeout=self.timeout)
        return Unix(self.at, self.timeout)

    def call(self, expert, hazard):
        """Status and answer of `initiate_call`."""
        body = {"expert_id": expert, "hazard_type": hazard}
        return self.ask("POST", "/v1/calls", body)

    def state(self, call_id):
        _, call = self.ask("GET", f"/v1/calls/{call_id}")
        return (call or {}).get("sip_call_state")

    def reason(self, call_id):
        _, call = self.ask("GET", f"/v1/calls/{call_id}")
        return (call or {}).get("reason")

    def is_ready(self):
        return self.ask("GET", "/readyz")[0] == 200


def asterisk(command):
    """Output of the gateway's own console."""
    root = f"{ENV['IFE_TARGET']}/testbed/root-{ENV['TESTBED_SUITE']}"
    conf = f"{ENV['TESTBED']}/gateway/etc/asterisk.conf"
    words = ["chroot", root, "asterisk", "-C", conf, "-rx", command]
    return subprocess.run(words, capture_output=True, text=True, timeout=60).stdout


def channels():
    return [line for line in asterisk("core show channels concise").splitlines() if "!" in line]


def called_twice():
    """Trace ids with which a phone was called by more than one call."""
    calls = {}
    for name in ("safety", "ethics"):
        text = (STACK / "captures" / f"{name}.msg").read_text(errors="replace")
        for message in text.replace("\r\n", "\n").split("\n\n"):
            lines = message.split("\n")
            start = next((at for at, line in enumerate(lines) if line.startswith("INVITE ")), None)
            if start is None:
                continue
            named = dict(line.split(": ", 1) for line in lines[start + 1 :] if ": " in line)
            calls.setdefault(named.get("X-IF-Trace-ID"), set()).add(named.get("Call-ID"))
    return [trace for trace, ids in calls.items() if trace and len(ids) > 1]
