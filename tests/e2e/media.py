#!/usr/bin/env python3
"""Sound and keys in the bridge's cases: tones, a recording's content, and the remote control of
baresip.

    media.py tone FILE HZ SECONDS        a sine as a WAV file, 8 kHz, 16 bit
    media.py blocks FILE HZ              how many 50 ms of a recording are that tone, so far
    media.py loud FILE                   how many 50 ms of a recording are not silence, so far
    media.py ulaw FILE DIGITS SECONDS    that much silence, then keys as in-band tones, as raw PCMU
    media.py press PORT DIGITS           keys of the call that baresip has
    media.py keys PORT FILE              writes the keys that baresip hears to FILE, until its end
"""

import json
import math
import re
import socket
import struct
import sys
import time
import wave

RATE_HZ = 8000
BLOCK = RATE_HZ // 20
# Quieter than this is silence: about -50 dB of full scale.
RMS_MIN = 100
# The part of the block's power at the tone's frequency. G.711 and GSM leave more than 0.9 of a pure
# tone, speech has next to nothing.
SHARE_MIN = 0.5


def tone(path, hz, seconds):
    with wave.open(path, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        step = 2 * math.pi * hz / RATE_HZ
        out.writeframes(
            b"".join(
                struct.pack("<h", int(8000 * math.sin(step * n))) for n in range(RATE_HZ * seconds)
            )
        )


def samples(path):
    """Of a WAV file that may still be written, so that the lengths in its header mean nothing."""
    with open(path, "rb") as file:
        data = file.read()
    begin = data.find(b"data")
    if begin < 0:
        return ()
    body = data[begin + 8 :]
    return struct.unpack(f"<{len(body) // 2}h", body[: len(body) // 2 * 2])


def share(block, hz):
    """The part of the block's power that is at `hz`, 0 to 1; 0 for silence."""
    power = sum(value * value for value in block)
    if power < RMS_MIN * RMS_MIN * len(block):
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * hz / RATE_HZ)
    before, last = 0.0, 0.0
    for value in block:
        before, last = last, value + coefficient * last - before
    at_tone = before * before + last * last - coefficient * before * last
    return 2 * at_tone / (len(block) * power)


def blocks(path, hz):
    heard = samples(path)
    cut = [heard[at : at + BLOCK] for at in range(0, len(heard) - BLOCK + 1, BLOCK)]
    return sum(share(block, hz) >= SHARE_MIN for block in cut)


def loud(path):
    heard = samples(path)
    cut = [heard[at : at + BLOCK] for at in range(0, len(heard) - BLOCK + 1, BLOCK)]
    return sum(sum(value * value for value in block) >= RMS_MIN * RMS_MIN * BLOCK for block in cut)


# ITU-T Q.23: the two tones of each key.
LOW_HZ, HIGH_HZ = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = ("123A", "456B", "789C", "*0#D")


def mu_law(value):
    """ITU-T G.711, mu-law, of a 16-bit sample."""
    sign, size = (0x80, -value) if value < 0 else (0, value)
    size = min(size, 32635) + 132
    exponent = max(size.bit_length() - 8, 0)
    return ~(sign | exponent << 4 | size >> exponent + 3 & 0x0F) & 0xFF


def key_tone(digit):
    """160 ms of the key, then as much silence."""
    row = next(at for at, keys in enumerate(KEYS) if digit in keys)
    steps = [2 * math.pi * hz / RATE_HZ for hz in (LOW_HZ[row], HIGH_HZ[KEYS[row].index(digit)])]
    length = RATE_HZ * 160 // 1000
    return [int(sum(6000 * math.sin(step * n) for step in steps)) for n in range(length)] + [
        0
    ] * length


def ulaw(path, digits, seconds):
    sound = [0] * int(RATE_HZ * seconds)
    for digit in digits:
        sound += key_tone(digit)
    with open(path, "wb") as out:
        out.write(bytes(map(mu_law, sound + [0] * RATE_HZ)))


def netstring(value):
    text = json.dumps(value).encode()
    return b"%d:%s," % (len(text), text)


def press(port, digits):
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        for digit in digits:
            sock.sendall(netstring({"command": "sndcode", "params": digit}))
            # The key is sent as long as it takes to send it, and then as released.
            time.sleep(0.3)


def keys(port, path):
    """Of every event of the form `CALL_DTMF_START` its key."""
    with (
        socket.create_connection(("127.0.0.1", port), 5) as sock,
        open(path, "w", encoding="ascii") as out,
    ):
        sock.settimeout(None)
        pending = b""
        while True:
            received = sock.recv(4096)
            if not received:
                return
            pending += received
            while (found := re.match(rb"(\d+):", pending)) and len(pending) > found.end() + int(
                found[1]
            ):
                text = pending[found.end() : found.end() + int(found[1])]
                pending = pending[found.end() + int(found[1]) + 1 :]
                event = json.loads(text)
                if event.get("type") == "CALL_DTMF_START":
                    out.write(event.get("param", "?"))
                    out.flush()


def main():
    command, *args = sys.argv[1:] or [""]
    if command == "tone" and len(args) == 3:
        tone(args[0], int(args[1]), int(args[2]))
    elif command == "blocks" and len(args) == 2:
        print(blocks(args[0], int(args[1])))
    elif command == "loud" and len(args) == 1:
        print(loud(args[0]))
    elif command == "ulaw" and len(args) == 3:
        ulaw(args[0], args[1], float(args[2]))
    elif command == "press" and len(args) == 2:
        press(int(args[0]), args[1])
    elif command == "keys" and len(args) == 2:
        keys(int(args[0]), args[1])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
