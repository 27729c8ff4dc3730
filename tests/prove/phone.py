"""A phone's own account of one escalation: phone.py MESSAGES TRACE.

MESSAGES is sipp's file of messages sent and received. Prints how many calls the phone
had, then answered, ringing or none: `answered` when its 200 OK was acknowledged.
"""
import re
import sys

START = re.compile(r"^(?:[A-Z]+ sip\S+ SIP/2\.0|SIP/2\.0 \d{3} .*)$", flags=re.M)


def messages(text):
    """Each SIP message of the file, by its first line and headers."""
    for block in re.split(r"^-{20,}.*$", text, flags=re.M):
        start = START.search(block)
        if start:
            first, *lines = block[start.start() :].split("\n\n", 1)[0].split("\n")
            pairs = (line.partition(":") for line in lines)
            yield first, {name.lower(): value.strip() for name, _, value in pairs}


def main(path, trace):
    with open(path, encoding="utf-8", errors="replace") as file:
        seen = list(messages(file.read().replace("\r", "")))
    calls = {
        headers.get("call-id")
        for first, headers in seen
        if first.startswith("INVITE ") and headers.get("x-if-trace-id") == trace
    }
    ours = [(first, headers) for first, headers in seen if headers.get("call-id") in calls]
    acknowledged = any(first.startswith("ACK ") for first, _ in ours)
    answered = any(
        first.startswith("SIP/2.0 200") and headers.get("cseq", "").endswith("INVITE")
        for first, headers in ours
    )
    word = "answered" if answered and acknowledged else "ringing" if calls else "none"
    print(len(calls), word)


main(*sys.argv[1:])
