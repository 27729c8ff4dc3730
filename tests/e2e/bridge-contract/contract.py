#!/usr/bin/env python3
"""Calls every operation of the contract on a running bridge, and prints where it breaks it.

usage: contract.py SOCKET CONTRACT KEY_DIR EXPERT_CAPTURE TRANSCRIPT
"""
import base64
import datetime
import http.client
import json
import pathlib
import re
import socket
import subprocess
import sys
import time

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = pathlib.Path(__file__).resolve().parent
SAFETY = "expert-safety@external.advisor"
ETHICS = "expert-ethics@external.advisor"
PROBLEMS = []


class Bridge(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("bridge", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class Case:
    def __init__(self, sock, contract, keys, transcript):
        self.sock, self.contract, self.keys, self.transcript = (
            sock,
            contract,
            pathlib.Path(keys),
            transcript,
        )
        self.called = set()

    def ask(self, method, path, body=None):
        bridge = Bridge(self.sock)
        text = None if body is None else body if isinstance(body, str) else json.dumps(body)
        bridge.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        answer = bridge.getresponse()
        data = answer.read().decode()
        kind = answer.headers.get_content_type()
        self.transcript.write(
            f"--- {method} {path}\n{text or ''}\n{answer.status} {kind}\n"
            f"{data if len(data) < 6000 else '...'}\n"
        )
        return answer.status, json.loads(data) if data and kind.endswith("json") else data

    def operation(self, name, body=None, query="", **places):
        """Calls it, and compares the answer with its promise."""
        self.called.add(name)
        promise = self.contract["operations"][name]
        method, path = promise["route"].split()
        status, answer = self.ask(method, path.format(**places) + query, body)
        check(
            status == promise["success"],
            f"{name}: status {status}, promised {promise['success']}: {answer}",
        )
        for field in promise.get("output", []):
            check(field in answer, f"{name}: no {field} in {answer}")
        each = promise.get("output_of_each")
        if each:
            check(answer, f"{name}: an empty list")
        for row in answer if each else []:
            for field in each:
                check(field in row, f"{name}: no {field} in {row}")
        if "status" in promise:
            check(
                answer.get("status") in promise["status"],
                f"{name}: status {answer.get('status')} is not in the contract",
            )
        return answer

    def refused(self, name, wanted, body=None, **places):
        promise = self.contract["operations"][name]
        check(wanted in promise["errors"], f"{name}: {wanted} is not among its errors")
        method, path = promise["route"].split()
        status, answer = self.ask(method, path.format(**places), body)
        check(
            status == self.contract["errors"]["status_of"][wanted],
            f"{name}: status {status} for {wanted}",
        )
        check(
            isinstance(answer, dict) and answer.get("code") == wanted,
            f"{name}: {answer} is not {wanted}",
        )
        for field in self.contract["errors"]["body"]:
            check(field in answer, f"{name}: no {field} in the problem {answer}")
        return answer

    def message(self, message_id, trace, hazard, key="guard-2026a"):
        command = [
            sys.executable,
            str(HERE.parent / "ifmessage.py"),
            str(self.keys / f"{key}.key"),
            message_id,
            trace,
            hazard,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def signed(self, message):
        """Any message, signed by the agent."""
        key, kid = private_key(self.keys, "guard-2026a")
        sig = key.sign(canonical(message))
        return {
            **message,
            "signature": {
                "alg": "ed25519",
                "kid": kid,
                "sig": base64.urlsafe_b64encode(sig).decode().rstrip("="),
            },
        }

    def until(self, call_id, state):
        for _ in range(200):
            _, call = self.ask("GET", f"/v1/calls/{call_id}")
            if call["sip_call_state"] == state:
                return call
            time.sleep(0.1)
        check(False, f"{call_id} does not get {state}: {call}")
        return call


def check(condition, problem):
    if not condition:
        PROBLEMS.append(problem)


def canonical(value):
    # ASCII names and values, and no numbers but integers: sorted keys and no blanks are RFC 8785.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def private_key(keys, name):
    _, kid, seed = (pathlib.Path(keys) / f"{name}.key").read_text().split()
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed)), kid


def other_spellings(case):
    """`trace_id`, `hazard` and a lone string are met, too."""
    plain = json.loads(case.message("m-x", "trace-contract-x", "safety"))
    spellings = [
        ({"hazard": "safety"}, {}),
        ({"hazards": "safety"}, {}),
        ({"hazard": ["safety"]}, {}),
        ({}, {"hazards": ["safety"]}),
        ({}, {"hazard": "safety"}),
    ]
    for number, (payload, beside) in enumerate(spellings):
        message = {
            **plain,
            "id": f"m-1{number}",
            "trace_id": f"trace-contract-1{number}",
            "payload": payload,
            **beside,
        }
        del message["traceId"], message["signature"]
        answer = case.operation("handle_escalate", case.signed(message), query="?wait=connected")
        check(
            answer.get("status") == "connected" and answer.get("trace_id") == message["trace_id"],
            f"{payload}, {beside}: {answer}",
        )
        case.ask("DELETE", f"/v1/calls/{answer.get('call_id')}")


def admission(keys, **change):
    return of_guardian(
        keys, **({"call_type": "ROUTINE", "bandwidth_bps": 512000, "has_pii": False} | change)
    )


def of_guardian(keys, **more):
    key, _ = private_key(keys, "guardian-1")
    public = base64.b64encode(
        key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    ).decode()
    now = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    request = {
        "terminal_id": "guardian-1",
        "call_id": "council",
        "timestamp": now,
        "public_key": f"ed25519:{public}",
        **more,
    }
    return {**request, "signature": base64.b64encode(key.sign(canonical(request))).decode()}


def escalations(case):
    answer = case.operation(
        "handle_escalate",
        case.message("m-1", "trace-contract-1", "safety"),
        query="?wait=connected",
    )
    for field in case.contract["operations"]["handle_escalate"]["output_when_connected"]:
        check(field in answer, f"handle_escalate: no {field} when connected")
    check(answer.get("status") == "connected", f"handle_escalate: {answer}")
    message = json.loads(case.message("m-2", "trace-contract-2", "safety"))
    case.refused(
        "handle_escalate", "INVALID_REQUEST", {k: v for k, v in message.items() if k != "timestamp"}
    )
    case.refused("handle_escalate", "UNKNOWN_AGENT", {**message, "source": "if://agent/other"})
    case.refused("handle_escalate", "INVALID_SIGNATURE", {**message, "level": 2})
    case.refused(
        "handle_escalate", "POLICY_REJECTED", case.message("m-3", "trace-contract-3", "nonsense")
    )
    case.refused("handle_escalate", "CONFLICT", case.message("m-4", "trace-contract-1", "safety"))
    rejected = case.operation(
        "handle_escalate",
        case.message("m-5", "trace-contract-5", "ethics"),
        query="?wait=connected",
    )
    check(
        rejected.get("status") == "rejected" and "reason" in rejected,
        f"a busy expert is no rejection: {rejected}",
    )
    return answer


def calls(case, first):
    about = {"reason": "Valve 1 opens", "question": "May it stay open?", "options": ["yes", "no"]}
    answer = case.operation(
        "initiate_call",
        {"expert_id": SAFETY, "hazard_type": "safety", "evidence_files": [], **about},
    )
    check(
        all(
            answer.get(name) == about[was]
            for name, was in (
                ("call_reason", "reason"),
                ("question", "question"),
                ("options", "options"),
            )
        ),
        f"initiate_call: {answer} does not say {about}",
    )
    case.refused(
        "initiate_call",
        "EXPERT_NOT_FOUND",
        {"expert_id": "nobody@external.advisor", "hazard_type": "safety"},
    )
    case.refused("initiate_call", "POLICY_REJECTED", {"expert_id": ETHICS, "hazard_type": "safety"})
    case.refused("initiate_call", "INVALID_REQUEST", {"expert_id": SAFETY})
    case.until(answer["call_id"], "connected")
    case.operation("get_calls")
    case.operation("get_call_state", call_id=first["call_id"])
    case.refused("get_call_state", "NOT_FOUND", call_id="sip-call-0000000000000000")
    bridging = {
        "sip_call_id": first["call_id"],
        "council_call_id": "council",
        "external_expert_id": SAFETY,
    }
    bridged = case.operation("bridge_external_call", bridging)
    check(
        bridged.get("mcu_participant_id") == first["mcu_participant_id"],
        f"bridge_external_call: {bridged}",
    )
    case.refused("bridge_external_call", "NOT_FOUND", {**bridging, "sip_call_id": "sip-call-0"})
    case.refused(
        "bridge_external_call", "INVALID_REQUEST", {**bridging, "external_expert_id": ETHICS}
    )
    return answer


def decisions(case, call):
    """A guardian votes, once; a vote altered, late or of another call is refused."""
    _, shown = case.ask("GET", f"/v1/calls/{call['call_id']}")
    asked = shown[case.contract["operations"]["get_call_state"]["output_while_open"]]
    check(asked["choices"] == call["options"], f"asked: {asked}")
    key, kid = private_key(case.keys, "guardian-1")
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    vote = {
        "v": "if-decision-v1",
        "call_id": call["call_id"],
        "trace_id": call["trace_id"],
        "council": asked["council"],
        "role": "guardian",
        "party": "guardian-1",
        "choice": "no",
        "question_sha256": asked["question_sha256"],
        "time": now,
        "assurance": "key",
        "kid": kid,
    }

    def signed(**change):
        changed = {**vote, **change}
        sig = base64.urlsafe_b64encode(key.sign(canonical(changed))).decode().rstrip("=")
        return {**changed, "signature": {"alg": "ed25519", "sig": sig}}

    place = {"call_id": call["call_id"]}
    taken = case.operation("decide", signed(), **place)
    check(taken.get("decision") == signed(), f"decide: {taken}")
    case.refused("decide", "CONFLICT", signed(), **place)
    case.refused("decide", "INVALID_SIGNATURE", {**signed(), "choice": "yes"}, **place)
    case.refused("decide", "INVALID_REQUEST", signed(choice="perhaps"), **place)
    case.refused("decide", "INVALID_REQUEST", signed(call_id="sip-call-0000000000000000"), **place)
    case.refused("decide", "POLICY_REJECTED", signed(party="guardian-9", kid="guardian-9"), **place)
    case.refused("decide", "NOT_FOUND", signed(), call_id="sip-call-0000000000000000")
    state = case.operation("get_call_state", **place)
    check(state.get("decisions") == [taken], f"get_call_state: {state.get('decisions')}")
    check(
        state.get("decision_state")
        in case.contract["operations"]["get_call_state"]["decision_state"],
        f"get_call_state: {state}",
    )


def policy(case):
    yes = case.operation("approve_external_call", {"expert_id": SAFETY, "hazard": "safety"})
    no = case.operation("approve_external_call", {"expert_id": SAFETY, "hazard": "ethics"})
    check((yes["approved"], no["approved"]) == (True, False), f"approve_external_call: {yes} {no}")
    forged = {
        "expert_id": SAFETY,
        "hazard": "safety",
        "trace_id": "trace-contract-9",
        "signature": "v=1;kid=council-2026a;iat=1;c=base;sig=" + "A" * 86,
    }
    check(
        case.operation("approve_external_call", forged)["approved"] is False,
        "approve_external_call: a forged signature passes",
    )
    case.refused("approve_external_call", "INVALID_REQUEST", {"expert_id": SAFETY})


def rooms(case, second):
    room = case.operation("create_room", {"call_id": "council"})
    check(room["max_participants"] == case.contract["h323"]["room_max"], f"create_room: {room}")
    case.refused("create_room", "INVALID_REQUEST", {"call_id": "a&b"})
    case.operation("list_rooms")
    case.operation("room_status", room="council")
    case.refused("room_status", "NOT_FOUND", room="nowhere")
    _, call = case.ask("GET", f"/v1/calls/{second['call_id']}")
    participant = call["mcu_participant_id"]
    kinds = [
        re.escape(kind).replace("<room>", "[^:]+").replace("<channel>", ".+")
        for kind in case.contract["h323"]["participant_ids"]
    ]
    check(
        any(re.fullmatch(kind, participant) for kind in kinds),
        f"{participant} is no participant id of the contract",
    )
    case.operation("mute_participant", {"muted": True}, room="council", participant=participant)
    case.refused(
        "mute_participant",
        "NOT_FOUND",
        {"muted": True},
        room="council",
        participant="confbridge:council:nobody",
    )
    case.operation("admit_guardian", admission(case.keys))
    asked = of_guardian(case.keys)
    case.operation("guardian_evidence", asked)
    case.refused("guardian_evidence", "INVALID_REQUEST", asked)
    case.refused(
        "guardian_evidence", "INVALID_SIGNATURE", {**of_guardian(case.keys), "call_id": "side"}
    )
    case.refused("guardian_evidence", "NOT_FOUND", of_guardian(case.keys, call_id="side"))
    rejections = [
        ("INVALID_SIGNATURE", {**admission(case.keys), "bandwidth_bps": 1}),
        ("NOT_REGISTERED", admission(case.keys, terminal_id="guardian-9")),
        ("PII_POLICY_VIOLATION", admission(case.keys, call_type="ESCALATE", has_pii=True)),
        ("BANDWIDTH_EXCEEDED", admission(case.keys, bandwidth_bps=10_000_001)),
    ]
    for reason, request in rejections:
        answer = case.operation("admit_guardian", request)
        check(
            reason in case.contract["operations"]["admit_guardian"]["reject_reasons"],
            f"{reason} is not in the contract",
        )
        check(answer.get("reject_reason") == reason, f"admit_guardian: {answer}, not {reason}")
    case.operation("remove_participant", room="council", participant=participant)
    case.refused(
        "remove_participant", "NOT_FOUND", room="council", participant="confbridge:council:nobody"
    )


def ends(case, first):
    ended = case.operation("terminate_call", call_id=first["call_id"])
    check(ended["status"] == "terminated", f"terminate_call: {ended}")
    gone = case.operation("terminate_call", call_id="sip-call-0000000000000000")
    check(gone["status"] == "not_found", f"terminate_call: {gone}")
    case.operation("end_room", room="council")
    case.refused("end_room", "NOT_FOUND", room="nowhere")


def events(case):
    """Live events arrive while a room is made."""
    case.called.add("events")
    bridge = Bridge(case.sock)
    bridge.request("GET", case.contract["operations"]["events"]["route"].split()[1])
    answer = bridge.getresponse()
    check(
        answer.status == 200 and answer.headers.get_content_type() == "text/event-stream",
        f"events: {answer.status}",
    )
    case.ask("POST", "/v1/rooms", {"call_id": "side"})
    case.ask("DELETE", "/v1/rooms/side")
    line = answer.readline().decode().strip()
    check(
        line.startswith("event: ") and line[7:] in case.contract["operations"]["events"]["stream"],
        f"events: {line}",
    )


def routes(case):
    _, document = case.ask("GET", "/v1/openapi.json")
    for name, promise in case.contract["operations"].items():
        method, path = promise["route"].split()
        check(
            method.lower() in document["paths"].get(path, {}),
            f"{name}: {promise['route']} is not in the OpenAPI document",
        )
    check(
        set(case.contract["operations"]) == case.called,
        f"not called: {set(case.contract['operations']) - case.called}",
    )


def short_form(case):
    """`sip_escalate_interface` agrees with the operations."""
    short, operations = case.contract["sip_escalate_interface"], case.contract["operations"]
    check(
        short["initiate_call"]["params"] == list(operations["initiate_call"]["input"]),
        "sip_escalate_interface: params differ from the input",
    )
    check(
        short["initiate_call"]["returns"] == operations["initiate_call"]["output"],
        "sip_escalate_interface: returns differ from the output",
    )
    check(
        short["policy_gate"]["checks"] == operations["approve_external_call"]["checks"],
        "sip_escalate_interface: checks differ",
    )


def metrics(case):
    _, text = case.ask("GET", "/metrics")
    for name, labels in case.contract["metrics"].items():
        lines = [line for line in text.splitlines() if re.match(rf"{name}(_count)?[ {{]", line)]
        check(lines, f"metric {name} is not there")
        for label in labels:
            check(
                all(f'{label}="' in line for line in lines), f"metric {name} has no label {label}"
            )


def headers(case, capture):
    text = pathlib.Path(capture).read_text(errors="replace").replace("\r", "")
    invites = re.findall(r"^INVITE sip:.*?\n\n", text, re.S | re.M)
    check(invites, "no INVITE reached the expert")
    for name in case.contract["headers"]:
        # Subject and Call-Info are those of a call with a reason.
        wanted = invites[:1] if name.startswith("X-") else invites
        check(
            any(f"\n{name}: " in invite for invite in wanted), f"the expert's INVITE has no {name}"
        )


def main(sock, contract, keys, capture, transcript):
    with open(contract, encoding="utf-8") as file:
        contract = yaml.safe_load(file)
    with open(transcript, "w", encoding="utf-8") as file:
        case = Case(sock, contract, keys, file)
        first = escalations(case)
        second = calls(case, first)
        decisions(case, second)
        other_spellings(case)
        policy(case)
        rooms(case, second)
        ends(case, first)
        events(case)
        routes(case)
        short_form(case)
        metrics(case)
        headers(case, capture)
    print("\n".join(PROBLEMS))
    sys.exit(1 if PROBLEMS else 0)


main(*sys.argv[1:])
