"""The server's processes, memory and descriptors, from /proc and RPC: watched by a part before
and after.
"""

import json
import os
import pathlib
import socket
import subprocess

ENV = os.environ


def rpc(method, *params, timeout_s=3.0):
    """The result of a JSON-RPC call, or None without an answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect(("127.0.0.1", int(ENV["RPC_PORT"])))
        try:
            sock.send(
                json.dumps(
                    {"jsonrpc": "2.0", "method": method, "id": 1, "params": list(params)}
                ).encode()
            )
            return json.loads(sock.recv(1 << 20)).get("result")
        except (OSError, ValueError):
            return None


def main_pid(name="kamailio"):
    try:
        return int(pathlib.Path(ENV["STACK"], "run", f"{name}.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def processes(name="kamailio"):
    """Process ids of a server: its main process and that one's children."""
    pid = main_pid(name)
    if pid is None or not pathlib.Path("/proc", str(pid)).exists():
        return []
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True
    ).stdout
    return [pid] + [int(p) for p in children.split()]


def descriptors(pids):
    total = 0
    for pid in pids:
        try:
            total += len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            pass
    return total


def private_kb(pids):
    """Private dirty and clean memory of all, in KB."""
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(
            int(line.split()[1]) for line in text.split("\n") if line.startswith("Private_")
        )
    return total


def workers():
    """Process ids of the SIP workers, by kind as Kamailio describes them."""
    return [(p["PID"], p["DSC"]) for p in rpc("core.psx") or [] if "receiver" in p["DSC"]]


def snapshot():
    """What must be the same after as before: None when the server is not there."""
    pids = processes()
    memory = rpc("core.shmmem")
    if not pids or not memory:
        return None
    return {
        "pids": sorted(pids),
        "shared_used": memory["used"],
        "shared_max": memory["max_used"],
        "shared_total": memory["total"],
        "private_kb": private_kb(pids),
        "descriptors": descriptors(pids),
    }


def compared(before, after):
    """A text for people: how memory and descriptors moved."""
    if not before or not after:
        return "the server was gone"

    def megabytes(count):
        return f"{count / (1 << 20):.1f}"

    return (
        f"shared {megabytes(before['shared_used'])} to {megabytes(after['shared_used'])} MB (peak "
        f"{megabytes(after['shared_max'])}"
        f" of {megabytes(after['shared_total'])}), private {before['private_kb'] >> 10} to "
        f"{after['private_kb'] >> 10} MB,"
        f" descriptors {before['descriptors']} to {after['descriptors']}"
    )
