#!/usr/bin/env python3
"""Tools for the demo and the end-to-end cases: ports, JSON-RPC, raw SIP, sipp's traces, the log.

It shares no code with the project, so that its reading of the log is a second opinion.

  siptool.py ports N [FIRST LAST]        N free ports, UDP and TCP, one a line
  siptool.py rpc PORT METHOD [ARG ...]   JSON-RPC over UDP to Kamailio; prints the result
  siptool.py send HOST PORT FILE ...     sends each file unchanged, prints each reply as JSON
  siptool.py outcomes TRACE ...          sipp -trace_msg files to one JSON object per Call-ID
  siptool.py entries LOG_DIR             prints every entry of the log as JSON lines
  siptool.py ledger OUTCOMES ENTRIES     compares the two; exit 1 if a call is missing or differs
  siptool.py expect OUTCOMES CSV ENTRIES compares both with the CSV's tenth field: CODE or CODE/GATE
"""

import argparse
import collections
import hashlib
import json
import pathlib
import random
import re
import socket
import sys


def free_ports(count, first, last):
    """Returns ports that are free at every address of this host, for both UDP and TCP."""
    found = []
    candidates = list(range(first, last + 1))
    random.shuffle(candidates)
    for port in candidates:
        if len(found) == count:
            break
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as sock:
                    sock.bind(("", port))
        except OSError:
            continue
        found.append(port)
    if len(found) < count:
        raise SystemExit(f"no {count} free ports between {first} and {last}")
    return found


def rpc(port, method, params, timeout_s):
    """Returns the result of one JSON-RPC call; SystemExit with the server's error text."""
    request = {"jsonrpc": "2.0", "method": method, "id": 1}
    if params:
        request["params"] = [int(p) if re.fullmatch(r"-?\d+", p) else p for p in params]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.connect(("127.0.0.1", port))
        try:
            sock.send(json.dumps(request).encode())
            answer = json.loads(sock.recv(65535))
        except OSError as error:
            raise SystemExit(f"rpc {method}: no answer from 127.0.0.1:{port}: {error}") from None
    if "error" in answer:
        raise SystemExit(f"rpc {method}: {answer['error'].get('message', answer['error'])}")
    return answer["result"]


def parse_sip(raw):
    """Returns (start line, [(lower-case name, value)], body) of a SIP message; unfolds lines."""
    head, _, body = raw.partition(b"\r\n\r\n")
    text = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace"))
    lines = text.split("\r\n")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip().lower(), value.strip()))
    return lines[0], headers, body


def header(headers, name):
    return next((value for key, value in headers if key == name), None)


def reply_as_dict(raw):
    start, headers, _ = parse_sip(raw)
    match = re.match(r"SIP/2\.0 (\d{3}) ?(.*)", start)
    if not match:
        return None
    reply = {"code": int(match[1]), "reason": match[2],
             "call_id": header(headers, "call-id"), "cseq": header(headers, "cseq")}
    if header(headers, "retry-after"):
        reply["retry_after"] = int(re.match(r"\d+", header(headers, "retry-after"))[0])
    return reply


def tcp_messages(buffer):
    """Returns the complete SIP messages at the front of `buffer`, and the rest."""
    found = []
    while True:
        buffer = buffer.lstrip(b"\r\n")
        head, separator, rest = buffer.partition(b"\r\n\r\n")
        if not separator:
            return found, buffer
        match = re.search(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*(\d+)", head, re.I)
        length = int(match[1]) if match else 0
        if len(rest) < length:
            return found, buffer
        found.append(head + separator + rest[:length])
        buffer = rest[length:]


def send(args):
    """Sends the files from one socket; yields replies until `--wait` seconds without one."""
    kind = socket.SOCK_STREAM if args.tcp else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((args.source, args.source_port))
        sock.connect((args.host, args.port))
        sock.settimeout(args.wait)
        local = f"{sock.getsockname()[0]}:{sock.getsockname()[1]}".encode()
        for file in args.file:
            raw = pathlib.Path(file).read_bytes().replace(b"@LOCAL@", local)
            for _ in range(args.times):
                sock.sendall(raw)
            expected, finals, buffer = args.times if args.all else 1, 0, b""
            while finals < expected:
                try:
                    data = sock.recv(65535)
                except OSError:
                    break
                if not data:
                    break
                if args.tcp:
                    messages, buffer = tcp_messages(buffer + data)
                else:
                    messages = [data]
                for message in messages:
                    reply = reply_as_dict(message)
                    if reply:
                        finals += reply["code"] >= 200
                        yield reply


TRACE_MARK = re.compile(
    rb"^-{40,} .*\n(?:(UDP|TCP|TLS|SCTP) )?message (sent|received) .*\n\n", re.M)


def trace_messages(path):
    """Yields (sent or received, message bytes) of a sipp -trace_msg file; CRLF or LF as sent."""
    data = pathlib.Path(path).read_bytes() if pathlib.Path(path).exists() else b""
    marks = list(TRACE_MARK.finditer(data))
    for mark, following in zip(marks, marks[1:] + [None]):
        raw = data[mark.end() : following.start() if following else len(data)]
        yield mark[2].decode(), re.sub(rb"\r?\n", b"\r\n", raw)


def outcomes(paths):
    """Returns per Call-ID the request and the final replies to its INVITEs, by CSeq number."""
    calls = collections.OrderedDict()
    for path in paths:
        for way, raw in trace_messages(path):
            start, headers, _ = parse_sip(raw)
            call_id, cseq = header(headers, "call-id"), header(headers, "cseq") or ""
            if not call_id or not cseq.endswith("INVITE"):
                continue
            call = calls.setdefault(
                call_id, {"call_id": call_id, "trace_id": None, "sent": 0, "finals": {}})
            if way == "sent" and start.startswith("INVITE "):
                call["sent"] += 1
                call["trace_id"] = call["trace_id"] or header(headers, "x-if-trace-id")
            elif way == "received" and start.startswith("SIP/2.0 "):
                reply = reply_as_dict(raw)
                if reply["code"] >= 200:
                    call["finals"].setdefault(cseq.split()[0], reply)
    # Ignore messages of calls from an earlier run of sipp.
    calls = [call for call in calls.values() if call["sent"]]
    for call in calls:
        first = call["finals"].get("1")
        call["code"] = first["code"] if first else None
        call["reason"] = first["reason"] if first else None
        if first and "retry_after" in first:
            call["retry_after"] = first["retry_after"]
    return calls


def tile_path(index):
    """Returns a tile number in groups of three digits: 1234067 is x001/x234/067."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups)


def entries(log_dir):
    """Yields the entries of the published log (tlog-tiles layout), without verification."""
    root = pathlib.Path(log_dir)
    size = int((root / "checkpoint").read_text().split("\n")[1])
    for bundle in range((size + 255) // 256):
        width = min(256, size - bundle * 256)
        full = root / "tile" / "entries" / tile_path(bundle)
        partial = full.with_name(full.name + ".p") / str(width)
        data = (full if width == 256 or not partial.exists() else partial).read_bytes()
        offset = 0
        for index in range(bundle * 256, bundle * 256 + width):
            length = int.from_bytes(data[offset : offset + 2], "big")
            raw = data[offset + 2 : offset + 2 + length]
            offset += 2 + length
            entry = json.loads(raw)
            entry["index"], entry["leaf"] = index, hashlib.sha256(b"\0" + raw).hexdigest()
            yield entry


def decided(entries):
    """Returns the final decision about one INVITE, or a text with the error.

    There is one entry, with two exceptions: an approval that is not durable in time is followed by
    the witness gate's refusal; and an INVITE sent again after a restart of Kamailio may be refused
    again, for the same reason.
    """
    entries = sorted(entries, key=lambda entry: entry["time"])
    last = entries[-1]
    if len(entries) == 1:
        return last
    events = [entry["event"] for entry in entries]
    if events == ["APPROVED", "REJECTED"] and last.get("gate") == "witness":
        return last
    lives = {(entry["producer"], entry["epoch"]) for entry in entries}
    refused = all(
        entry["event"] == "REJECTED" and entry["gate"] == last["gate"] for entry in entries)
    if refused and len(lives) == len(entries):
        return last
    texts = (f"{entry['event']} {entry.get('gate', '')}".strip() for entry in entries)
    return f"{len(entries)} decisions: " + ", ".join(texts)


def ledger(calls, log):
    """Returns the differences of replies and log; empty if each answered INVITE is logged once."""
    decisions = collections.defaultdict(list)
    for entry in log:
        if entry["event"] in ("APPROVED", "REJECTED"):
            decisions[entry.get("call_id"), entry.get("cseq")].append(entry)
    wrong = []
    for call in calls:
        for cseq, final in call["finals"].items():
            found = decisions.get((call["call_id"], int(cseq)))
            entry = decided(found) if found else "no decision"
            said = f"{call['call_id']}, CSeq {cseq}, answered {final['code']} {final['reason']}"
            if isinstance(entry, str):
                wrong.append(f"{said}: {entry} in the log")
            elif entry["event"] == "REJECTED" and entry.get("code") != final["code"]:
                wrong.append(f"{said}: the log says {entry.get('code')}")
            elif final["code"] == 200 and entry["event"] != "APPROVED":
                wrong.append(f"{said}: refused at gate {entry.get('gate')}")
    return wrong


def expectations(csv_path):
    """Returns call number to (code, gate or None), from the tenth field of sipp's CSV."""
    text = pathlib.Path(csv_path).read_text(encoding="utf-8", errors="surrogateescape")
    lines = text.splitlines()[1:]
    wanted = {}
    for number, line in enumerate(lines, start=1):
        code, _, gate = line.split(";")[9].partition("/")
        wanted[number] = (int(code), gate or None)
    return wanted


def differences(calls, wanted, log):
    """Returns the calls whose reply or log entry differs from the expected result."""
    decisions = {entry.get("call_id"): entry for entry in log
                 if entry["event"] in ("APPROVED", "REJECTED")}
    by_number = {int(call["call_id"].split(".")[0]): call for call in calls}
    wrong = []
    for number, (code, gate) in wanted.items():
        call = by_number.get(number)
        if call is None or call["code"] != code:
            got = "no call" if call is None else f"{call['code']} {call['reason']}"
            wrong.append(f"call {number}: expected {code}, got {got}")
            continue
        entry = decisions.get(call["call_id"], {})
        if gate and entry.get("gate") != gate:
            wrong.append(f"call {number}: expected gate {gate}, the log says {entry.get('gate')}")
    return wrong


def read_json_lines(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def parser():
    top = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True)
    ports = commands.add_parser("ports")
    ports.add_argument("count", type=int)
    ports.add_argument("first", type=int, nargs="?", default=20000)
    ports.add_argument("last", type=int, nargs="?", default=29999)
    call = commands.add_parser("rpc")
    call.add_argument("port", type=int)
    call.add_argument("method")
    call.add_argument("params", nargs="*")
    call.add_argument("--timeout", type=float, default=5.0)
    raw = commands.add_parser("send")
    raw.add_argument("host")
    raw.add_argument("port", type=int)
    raw.add_argument("file", nargs="+")
    raw.add_argument("--tcp", action="store_true")
    raw.add_argument("--source", default="127.0.0.1")
    raw.add_argument("--source-port", type=int, default=0)
    raw.add_argument("--times", type=int, default=1)
    raw.add_argument("--all", action="store_true", help="wait for a final reply to each message")
    raw.add_argument("--wait", type=float, default=3.0, help="seconds of silence until the end")
    commands.add_parser("outcomes").add_argument("trace", nargs="+")
    commands.add_parser("entries").add_argument("log_dir")
    compare = commands.add_parser("ledger")
    compare.add_argument("outcomes")
    compare.add_argument("entries")
    plan = commands.add_parser("expect")
    plan.add_argument("outcomes")
    plan.add_argument("csv")
    plan.add_argument("entries")
    return top


def main():
    args = parser().parse_args()
    if args.command == "ports":
        print(*free_ports(args.count, args.first, args.last), sep="\n")
    elif args.command == "rpc":
        print(json.dumps(rpc(args.port, args.method, args.params, args.timeout)))
    elif args.command == "send":
        for reply in send(args):
            print(json.dumps(reply), flush=True)
    elif args.command == "outcomes":
        for call in outcomes(args.trace):
            print(json.dumps(call))
    elif args.command == "entries":
        for entry in entries(args.log_dir):
            print(json.dumps(entry))
    elif args.command == "ledger":
        calls = read_json_lines(args.outcomes)
        wrong = ledger(calls, read_json_lines(args.entries))
        print(*wrong[:20], sep="\n", end="\n" if wrong else "")
        answered = sum(call["code"] is not None for call in calls)
        print(f"{len(calls)} calls, {answered} with a final reply,"
              f" {len(wrong)} that differ from the log")
        sys.exit(1 if wrong or not answered else 0)
    elif args.command == "expect":
        wrong = differences(read_json_lines(args.outcomes), expectations(args.csv),
                            read_json_lines(args.entries))
        print(*wrong[:20], sep="\n", end="\n" if wrong else "")
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(0)
