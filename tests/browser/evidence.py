#!/usr/bin/env python3
"""Makes evidence of every kind that the page shows, the same bytes each time: evidence.py DIR. Some
of it is hostile.
"""

import math
import pathlib
import random
import struct
import sys
import wave
import zlib

WIDTH, HEIGHT = 1200, 700


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def colour(x, y):
    """A wall seen by a thermal camera: cool blue, one hot spot."""
    heat = math.exp(-((x - 780) ** 2 / 26000 + (y - 300) ** 2 / 15000)) + 0.25 * math.exp(
        -((x - 300) ** 2 + (y - 480) ** 2) / 60000
    )
    heat += 0.03 * math.sin(x / 37) * math.cos(y / 23)
    heat = min(max(heat, 0), 1)
    return int(30 + 225 * heat), int(40 + 150 * heat**2.2), int(90 + 60 * (1 - heat) - 80 * heat)


def picture():
    # The noise of a real sensor, from a generator that is the same everywhere: no compression below
    # several blocks.
    noise, rows = random.Random(7), bytearray()
    for y in range(HEIGHT):
        rows.append(0)
        grain = noise.randbytes(3 * WIDTH)
        for x in range(0, WIDTH, 4):
            rows += bytes(
                max(0, value - (bits & 15))
                for value, bits in zip(colour(x, y) * 4, grain[3 * x : 3 * x + 12])
            )
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(rows), 6))
        + chunk(b"IEND", b"")
    )


def pdf():
    pages = [
        [
            "Inspection report",
            "",
            "Valve 7 of loop B was found open at 02:41 UTC.",
            "Pressure rose from 11.8 to 13.1 bar within four minutes.",
            "The guard stopped the agent's next action and asked for a human judgement.",
        ],
        [
            "Measurements",
            "",
            "02:41  11.8 bar   61 C",
            "02:43  12.4 bar   66 C",
            "02:45  13.1 bar   74 C",
        ],
    ]
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>")
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for at, lines in enumerate(pages):
        text = (
            "BT /F1 24 Tf 72 740 Td 28 TL (%s) Tj /F1 13 Tf " % lines[0]
            + " ".join(f"T* ({line}) Tj" for line in lines[1:])
            + " ET"
        )
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 "
            f"R >> >> /Contents {5 + 2 * at} 0 R >>"
        )
        objects.append(f"<< /Length {len(text)} >>\nstream\n{text}\nendstream")
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    trailer = (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
        f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    )
    return out + trailer.encode()


NOTES = """# Notes of the guard

The agent proposed to **vent loop B** while maintenance was signed in.

- 02:41 valve 7 reported *open*
- 02:44 second sensor agrees
- 02:45 action stopped, expert called

| sensor | value | limit |
|---|---|---|
| pressure | 13.1 bar | 13.5 bar |
| temperature | 74 C | 80 C |

See [the procedure](https://procedure.example/loop-b), and [not this](javascript:document.title='owned').
![tracker](https://evil.example/pixel.png)

<script>document.title = "owned"</script>
<img src="x" onerror="document.title = 'owned'"> <a href="javascript:document.title='owned'">click</a>
<form action="https://evil.example"><input name="a"></form>
<style>body { display: none }</style>
"""

DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" width="600" height="300" viewBox="0 0 600 300">
<script>document.title = "owned"</script>
<rect width="600" height="300" fill="#eef3f2"/><circle cx="300" cy="150" r="90" fill="none" stroke="#0b6b5d" stroke-width="14"/>
<path d="M300 150V90" stroke="#a1261a" stroke-width="10" stroke-linecap="round" onclick="alert(1)"/></svg>
"""


def sound(path):
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(
            b"".join(struct.pack("<h", int(9000 * math.sin(n * 0.35))) for n in range(8000))
        )


def main(directory):
    there = pathlib.Path(directory)
    there.mkdir(parents=True, exist_ok=True)
    (there / "thermal-camera.png").write_bytes(picture())
    (there / "inspection-report.pdf").write_bytes(pdf())
    (there / "notes.md").write_text(NOTES, encoding="utf-8")
    (there / "valve.svg").write_text(DRAWING, encoding="utf-8")
    sound(there / "alarm.wav")


main(*sys.argv[1:])
