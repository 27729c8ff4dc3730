"""Sends the torture messages of the RFCs from a stranger's address and judges what comes back, and
what goes on.
"""

import concurrent.futures
import re
import sys
import time

import messages
import sip
import stream
import watch

WAIT_S = 1.5


def over_udp(raw, address):
    """The final reply's code and headers, or (None, None)."""
    with sip.udp(address) as sock:
        sock.connect(sip.PROXY)
        sock.settimeout(WAIT_S)
        sock.send(raw)
        try:
            while True:
                reply = sip.Parsed(sock.recv(65535))
                if reply.code and reply.code >= 200:
                    return reply.code, reply
        except OSError:
            return None, None


def over_stream(raw, address, tls):
    try:
        link = stream.Stream(address, tls)
        link.send(raw)
        for reply in link.replies(WAIT_S):
            if reply.code and reply.code >= 200:
                link.close()
                return reply.code, reply
        link.close()
    except OSError:
        pass
    return None, None


def apart(raw, mark):
    """The message as a transaction of its own: several of the RFCs' share Call-ID and branch."""
    raw = re.sub(rb"(?im)^(call-id|i)(\s*:\s*)(?=\S)", lambda m: m[0] + mark, raw)
    return re.sub(rb"(branch\s*=\s*z9hG4bK)(?=\S)", lambda m: m[0] + mark, raw)


def judge(transport, send, third, phones):
    wrong = []
    cases = messages.all_messages()
    before = len(third.got) + sum(len(p.got) for p in phones)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda case: send(apart(case.raw, f"{transport}{case.name}".encode()))[0], cases
            )
        )
    for case, code in zip(cases, answers):
        # Behind the first damage of a stream no message can be found: there the connection may
        # end instead.
        if not case.fits(code) and not (
            transport != "UDP" and code is None and case.name in FRAMING
        ):
            wrong.append(f"{case.name} {code or 'silence'} ({','.join(map(str, case.expected))})")
        print(f"{transport} {case.source} {case.name}: {code}", flush=True)
    time.sleep(1)
    through = len(third.got) + sum(len(p.got) for p in phones) - before
    dropped = [
        case.name for case, code in zip(cases, answers) if code is None and not case.is_reply()
    ]
    note = f"wrong or no answer: {', '.join(wrong)}; " if wrong else ""
    if dropped:
        note += f"not readable enough to answer, dropped: {', '.join(dropped)}"
    sip.result(
        f"torture messages of RFC 4475 and RFC 5118 over {transport}",
        len(cases),
        lost=len(wrong),
        through=through,
        ok=not wrong and not through,
        note=note,
    )


# Messages whose Content-Length is wrong: the stream cannot be followed behind it (RFC 3261 18.3).
FRAMING = {"clerr", "ncl", "mcl01", "multi01"}


def requires(send_all):
    """Proxy-Require of an unknown option: 420 with Unsupported (RFC 3261 8.2.2.3), for any
    method.
    """
    wrong, rounds = [], 0
    for transport, send in send_all:
        for method in ("OPTIONS", "INVITE", "REGISTER", "MESSAGE", "BYE"):
            for options in ("foo", "foo, bar"):
                rounds += 1
                number = f"{transport}-{method}-{rounds}"
                raw = sip.message(
                    f"{method} sip:{sip.SAFETY} SIP/2.0",
                    [
                        (
                            "Via",
                            f"SIP/2.0/{transport} {sip.STRANGERS[0]};branch=z9hG4bK{number};rport",
                        ),
                        ("Max-Forwards", "70"),
                        ("From", "<sip:a@stranger.example>;tag=1"),
                        ("To", f"<sip:{sip.SAFETY}>" + (";tag=2" if method == "BYE" else "")),
                        ("Call-ID", f"require.{number}"),
                        ("CSeq", f"1 {method}"),
                        ("Proxy-Require", options),
                    ],
                )
                code, reply = send(raw)
                named = reply.get("unsupported").replace(" ", "") if reply else ""
                if code != 420 or named != options.replace(" ", ""):
                    wrong.append(
                        f"{transport} {method} {options}: {code} Unsupported: {named or '-'}"
                    )
    sip.result(
        "Proxy-Require of unknown options",
        rounds,
        lost=len(wrong),
        ok=not wrong,
        note="; ".join(wrong),
    )


def main():
    third, resolver = sip.Third(), sip.Resolver()
    phones = [sip.Phone(ip) for ip in sip.EXPERTS]
    for thread in (third, resolver, *phones):
        thread.start()
    before = watch.snapshot()
    ways = [
        ("UDP", lambda raw: over_udp(raw, sip.STRANGERS[0])),
        ("TCP", lambda raw: over_stream(raw, sip.STRANGERS[1], False)),
        ("TLS", lambda raw: over_stream(raw, sip.STRANGERS[2], True)),
    ]
    for transport, send in ways:
        judge(transport, send, third, phones)
    requires(ways)
    time.sleep(0 if sip.SHORT else 6)
    after = watch.snapshot()
    alive = bool(after) and after["pids"] == before["pids"]
    sip.result(
        "processes and names during the torture messages",
        1,
        through=sum(resolver.names.values()),
        ok=alive and not resolver.names,
        note=f"{watch.compared(before, after)}; names asked for: {dict(resolver.names) or 'none'}",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
