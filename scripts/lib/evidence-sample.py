#!/usr/bin/env python3
"""Writes the evidence of the demo and `make up`: incident.md, and sensor.png, a picture for it.

usage: evidence-sample.py DIRECTORY
"""
import math
import pathlib
import struct
import sys
import zlib

WIDTH, HEIGHT = 640, 240
PAPER, GRID, LIMIT, CURVE = (250, 250, 247), (225, 225, 220), (200, 60, 50), (30, 70, 120)

REPORT = """# Incident 7: an agent asks to open valve 3

At 02:14 the plant's agent asked for valve 3 to be opened by hand, outside of its mandate. The
request carried the right key. The pressure (`sensor.png`) had crossed its limit four minutes
earlier.

| time  | pressure | what the agent said            |
|-------|----------|--------------------------------|
| 02:08 | 6.1 bar  | -                              |
| 02:10 | 7.4 bar  | "within tolerance"             |
| 02:14 | 9.0 bar  | "open valve 3, do not wait"    |

**Question to the expert:** is this a breach, or the agent's honest judgement with a stolen key's
help?
"""


def pressure(x):
    """Returns the pressure in bar at step x of 640: constant with a ripple, then rising."""
    return 5.5 + 0.25 * math.sin(x / 17) + 3.6 / (1 + math.exp((430 - x) / 28))


def pixel(x, y):
    def row(bar):
        return HEIGHT - 20 - (bar - 4) * (HEIGHT - 40) / 6

    if abs(y - row(pressure(x))) < 2.2:
        return CURVE
    if abs(y - row(7)) < 0.8 and x // 6 % 2 == 0:
        return LIMIT
    return GRID if x % 80 == 0 or any(abs(y - row(bar)) < 0.5 for bar in range(4, 11)) else PAPER


def chunk(kind, data):
    """Returns a chunk of a PNG file: length, kind, data, CRC (RFC 2083, 3.2)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture():
    lines = (b"\0" + bytes(v for x in range(WIDTH) for v in pixel(x, y)) for y in range(HEIGHT))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(lines), 9)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def main(directory):
    place = pathlib.Path(directory)
    place.mkdir(parents=True, exist_ok=True)
    (place / "incident.md").write_text(REPORT, encoding="utf-8")
    (place / "sensor.png").write_bytes(picture())


main(*sys.argv[1:])
