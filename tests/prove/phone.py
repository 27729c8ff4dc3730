"""A phone's own account of one escalation: phone.py MESSAGES TRACE, of the file in which sipp keeps what it sent and received.

Prints how many calls it had, then answered, ringing or none: `answered` when its 200 OK was acknowledged.
"""
import re
import sys


def messages(text):
    """Each SIP message of the file, by its first line and header lines."""
    for block in re.split(r"^-{20,}.*$", text, flags=re.M):
        start = re.search(r"^(?:[A-Z]+ sip\S+ SIP/2\.0|SIP/2\.0 \d{3} .*)$", block, flags=re.M)
        if start:
            lines = block[start.start() :].split("\n\n", 1)[0].split("\n")
            yield lines[0], {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}


def main(path, trace):
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read().replace("\r", "")
    seen = list(messages(text))
    calls = {headers.get("call-id") for first, headers in seen if first.startswith("INVITE ") and headers.get("x-if-trace-id") == trace}
    acknowledged = any(first.startswith("ACK ") and headers.get("call-id") in calls for first, headers in seen)
    answered = any(
        first.startswith("SIP/2.0 200") and headers.get("call-id") in calls and headers.get("cseq", "").endswith("INVITE") for first, headers in seen
    )
    word = "answered" if answered and acknowledged else "ringing" if calls else "none"
    print(len(calls), word)


main(*sys.argv[1:])
