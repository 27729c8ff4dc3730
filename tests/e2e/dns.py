#!/usr/bin/env python3
"""A DNS server for the end-to-end cases. It answers from a file of records, or is silent, and logs
each question.

    dns.py ADDRESS ZONE_FILE LOG_FILE

Lines of the zone file, which is read anew for each question (TTL in seconds; a name that has no
line does not exist):
    NAME TTL A ADDRESS
    NAME TTL CNAME NAME
    NAME TTL SRV PRIORITY WEIGHT PORT TARGET
    NAME TTL NAPTR ORDER PREFERENCE FLAGS SERVICE REPLACEMENT
    NAME silent            questions about the name, or below it, get no answer; "." is every name
"""

import pathlib
import socket
import struct
import sys

TYPES = {"A": 1, "CNAME": 5, "AAAA": 28, "SRV": 33, "NAPTR": 35}
NAMES = {number: name for name, number in TYPES.items()}


def encode_name(name):
    labels = [label for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def text(value):
    return bytes([len(value)]) + value.encode()


def rdata(kind, fields):
    if kind == "A":
        return socket.inet_aton(fields[0])
    if kind == "CNAME":
        return encode_name(fields[0])
    if kind == "SRV":
        return struct.pack("!HHH", *map(int, fields[:3])) + encode_name(fields[3])
    return (
        struct.pack("!HH", *map(int, fields[:2]))
        + text(fields[2])
        + text(fields[3])
        + text("")
        + encode_name(fields[4])
    )


def read_zone(path):
    silent, records = [], []
    for line in path.read_text().splitlines():
        fields = line.split()
        if fields[1:] == ["silent"]:
            silent.append(fields[0].rstrip("."))
        elif fields:
            records.append((fields[0].lower(), int(fields[1]), fields[2], fields[3:]))
    return silent, records


def question(data):
    """Name and type that are asked for, and the question's own bytes."""
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode())
        at += 1 + data[at]
    (kind,) = struct.unpack("!H", data[at + 1 : at + 3])
    return ".".join(labels).lower(), NAMES.get(kind, str(kind)), data[12 : at + 5]


def answer(data, records):
    """The reply to one question: records of the type, behind an alias too, with NXDOMAIN where
    there is no such name.
    """
    name, kind, asked = question(data)
    found, owner = [], name
    for record in records:
        if record[0] == owner and record[2] == "CNAME":
            found.append(record)
            owner = record[3][0]
    found += [record for record in records if record[0] == owner and record[2] == kind]
    exists = any(record[0] == owner or record[0].endswith("." + owner) for record in records)
    reply = (
        data[:2] + struct.pack("!HHHHH", 0x8580 | (0 if exists else 3), 1, len(found), 0, 0) + asked
    )
    for owner_name, ttl, record_kind, fields in found:
        body = rdata(record_kind, fields)
        reply += (
            encode_name(owner_name)
            + struct.pack("!HHIH", TYPES[record_kind], 1, ttl, len(body))
            + body
        )
    return reply


def is_silent(name, silent):
    return any(not part or name == part or name.endswith("." + part) for part in silent)


def main():
    address, zone, log = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    with open(log, "a", buffering=1, encoding="utf-8") as asked:
        while True:
            data, peer = server.recvfrom(4096)
            name, kind, _ = question(data)
            asked.write(f"{name} {kind}\n")
            silent, records = read_zone(zone)
            if not is_silent(name, silent):
                server.sendto(answer(data, records), peer)


if __name__ == "__main__":
    main()
