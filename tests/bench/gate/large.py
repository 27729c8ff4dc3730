"""A registry of 100,000 experts in a running Kamailio: memory of a worker, time of a reload, and
what calls feel of it.
"""

import itertools
import json
import socket
import statistics
import threading
import time

import peers
import signing
import stack

EXPERTS = 100_000
RATE = 300
ROUNDS = 3
SECONDS = 8


def write_registry(path, signer, experts):
    """The bench's registry with more experts; the one that is called stays."""
    lines = [
        f'  - {{id: expert-{number}@external.advisor, name: Expert {number}, aors: '
        f'["sip:expert-{number}@external.advisor"],'
        f' contact: "sip:expert-{number}@192.0.2.1", hazards: [safety, ethics], sources: '
        '[192.0.2.0/24],'
        f' transports: [udp, tcp, tls], signers: [{{kid: k-{number}, public_key: '
        f'"ed25519:{signing.new_public_base64()}"}}]}}\n'
        for number in range(experts - 1)
    ]
    path.write_text(peers.registry_yaml(signer) + "".join(lines))


def rpc(port, method):
    """One JSON-RPC call; reloads of large registries take a while."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(30)
        sock.connect(("127.0.0.1", port))
        sock.send(json.dumps({"jsonrpc": "2.0", "method": method, "id": 1}).encode())
        answer = json.loads(sock.recv(65535))
    if "error" in answer:
        raise SystemExit(f"bench: {method}: {answer['error']}")
    return answer["result"]


def started(setup, name):
    """Kamailio with reload.cfg and a management port of its own."""
    port = stack.free_udp_port()
    kamailio = stack.Kamailio("reload", setup.work / name, {**setup.cfg_values(), "RPC": str(port)})
    kamailio.rpc_port = port
    # See peers.measure: requests signed before the replay table's birth are refused.
    time.sleep(1)
    return kamailio


def load_calls(setup, kamailio, body, count, prefix, rate=RATE, **options):
    fields = setup.work / "fields.csv"
    attempts = itertools.count()

    def once():
        signing.write_fields(fields, setup.signer, body, count, f"{prefix}-{next(attempts)}")
        return stack.load(kamailio, fields, count, rate, 480, **options)

    return stack.until_measured(once)


def slowest_ms(setup, kamailio, body, prefix, reload_s):
    """The longest time from INVITE to final reply, with a reload in the middle when there is a list
    for its duration.
    """
    load_calls(setup, kamailio, body, RATE, f"warm-{prefix}")
    reloader = (
        threading.Timer(SECONDS / 3, timed_reload, (kamailio.rpc_port, reload_s))
        if reload_s is not None
        else None
    )
    if reloader:
        reloader.start()
    load_calls(setup, kamailio, body, RATE * SECONDS, prefix, response_times=True)
    if reloader:
        reloader.join()
    return max(stack.response_times_ms(kamailio))


def timed_reload(port, reload_s):
    start = time.monotonic()
    rpc(port, "ife.reload")
    reload_s.append(time.monotonic() - start)


def measure(setup):
    """{name: value} of everything here."""
    registry = setup.work / "registry.yaml"
    body = signing.scenario_body((stack.HERE / "uac.xml").read_text())
    memory, results = {}, {}
    for experts in (10, EXPERTS):
        write_registry(registry, setup.signer, experts)
        with started(setup, f"memory-{experts}") as kamailio:
            worker = kamailio.worker_of(
                lambda: load_calls(setup, kamailio, body, 600, f"memory-{experts}")
            )
            memory[experts] = stack.private_kib(worker)
    results["memory_growth_mib"] = (memory[EXPERTS] - memory[10]) / 1024
    reload_s, added_ms = [], []
    for number in range(ROUNDS):
        with started(setup, f"reload-{number}") as kamailio:
            quiet = slowest_ms(setup, kamailio, body, f"quiet-{number}", None)
            busy = slowest_ms(setup, kamailio, body, f"busy-{number}", reload_s)
            added_ms.append(busy - quiet)
    results["reload_s"] = statistics.median(reload_s)
    results["reload_added_ms"] = statistics.median(added_ms)
    results["reload_added_ms_rounds"] = added_ms
    return results
