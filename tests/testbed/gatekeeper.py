#!/usr/bin/env python3
"""A small H.323 gatekeeper: answers RAS (H.225.0 version 4) in direct mode, one line per message.

  gatekeeper.py 127.0.0.4 --alias council=127.0.0.3:1720 --reject council=requestDenied
  gatekeeper.py --self-test

Only what Asterisk's chan_ooh323 sends is read. PER is X.691, aligned; types are H.225.0 annex H.
"""
import argparse
import socket
import sys

PROTOCOL = bytes.fromhex("0008914a0004")  # itu-t(0) recommendation(0) h(8) 2250 version(0) 4
ENDPOINT, GATEKEEPER = "7381_endp", "gatekeeper"
REQUESTS = {0: "GRQ", 3: "RRQ", 6: "URQ", 9: "ARQ", 12: "BRQ", 15: "DRQ", 22: "IRR"}
ANSWERS = {"GCF": 1, "RCF": 4, "UCF": 7, "ACF": 10, "ARJ": 11, "BCF": 13, "DCF": 16, "URQ": 6}
REASONS = ["calledPartyNotRegistered", "invalidPermission", "requestDenied", "undefinedReason",
           "callerNotRegistered", "routeCallToGatekeeper", "invalidEndpointIdentifier",
           "resourceUnavailable"]
DIGITS = "#*,0123456789"
# The optional fields of a message's root, without those of its extensions.
OPTIONAL = {"GRQ": 4, "RRQ": 3, "URQ": 3, "ARQ": 7, "BRQ": 2, "DRQ": 1, "IRR": 3}


class Reader:
    """Takes fields from the front of a PER message."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def bits(self, count):
        value = 0
        for _ in range(count):
            byte = self.data[self.at // 8]
            value = value << 1 | byte >> (7 - self.at % 8) & 1
            self.at += 1
        return value

    def align(self):
        self.at = (self.at + 7) // 8 * 8

    def octets(self, count):
        self.align()
        start = self.at // 8
        self.at += 8 * count
        if self.at > 8 * len(self.data):
            raise IndexError("the message ends early")
        return self.data[start:start + count]

    def number16(self):
        return int.from_bytes(self.octets(2), "big")

    def number32(self):
        return int.from_bytes(self.octets(self.bits(2) + 1), "big")

    def length(self):
        self.align()
        count = self.bits(8)
        if count >= 128:
            raise ValueError("lists of 128 and more are not read")
        return count

    def bmp(self, size_bits):
        """A BMPString whose size takes so many bits; 8 bits are an octet of their own."""
        if size_bits == 8:
            self.align()
        return self.octets(2 * (self.bits(size_bits) + 1)).decode("utf-16-be")

    def alias(self):
        if self.bits(1):
            index, content = self.bits(7), self.octets(self.length())
            return f"ext{index}:{content.hex()}"
        if self.bits(1):
            return self.bmp(8)
        count = self.bits(7) + 1
        self.align()
        return "".join(DIGITS[self.bits(4)] for _ in range(count))

    def aliases(self):
        return [self.alias() for _ in range(self.length())]

    def address(self):
        if self.bits(4) != 0:
            raise ValueError("only IPv4 addresses are read")
        ip = ".".join(str(byte) for byte in self.octets(4))
        return ip, self.number16()


class Writer:
    """Appends fields to a PER message."""

    def __init__(self):
        self.text = ""

    def bits(self, value, count):
        self.text += format(value, f"0{count}b") if count else ""
        return self

    def align(self):
        self.text += "0" * (-len(self.text) % 8)
        return self

    def octets(self, data):
        self.align()
        self.text += "".join(format(byte, "08b") for byte in data)
        return self

    def number16(self, value):
        return self.octets(value.to_bytes(2, "big"))

    def number32(self, value):
        size = max(1, (value.bit_length() + 7) // 8)
        return self.bits(size - 1, 2).octets(value.to_bytes(size, "big"))

    def bmp128(self, text):
        return self.bits(len(text) - 1, 7).octets(text.encode("utf-16-be"))

    def address(self, ip, port):
        return self.bits(0, 4).octets(socket.inet_aton(ip)).number16(port)

    def open(self, other):
        data = other.done()
        return self.octets(bytes([len(data)])).octets(data)

    def done(self):
        self.align()
        return int("1" + self.text, 2).to_bytes(len(self.text) // 8 + 1, "big")[1:]


def parse(data):
    """The fields of a request, as far as they are of use."""
    reader = Reader(data)
    if reader.bits(1):
        return {"type": f"ext{reader.bits(7)}", "seq": 0}
    kind = REQUESTS.get(tag := reader.bits(5), f"tag{tag}")
    if kind not in OPTIONAL:
        return {"type": kind, "seq": 0}
    reader.bits(1)  # whether there are extensions: they are at the end
    present = [reader.bits(1) for _ in range(OPTIONAL[kind])]
    message = {"type": kind, "seq": reader.number16() + 1}
    more = {"RRQ": parse_rrq, "ARQ": parse_arq, "BRQ": parse_brq}.get(kind)
    if more:
        more(reader, present, message)
    return message


def parse_rrq(reader, present, message):
    reader.octets(reader.length())
    if present[0]:
        raise ValueError("nonStandardData is not read")
    reader.bits(1)
    message["signal"] = [reader.address() for _ in range(reader.length())]
    message["ras"] = [reader.address() for _ in range(reader.length())]


def parse_arq(reader, present, message):
    model, info, destination, extra, source = present[:5]
    reader.bits(3)  # callType: four alternatives and an extension
    if model:
        reader.bits(2)
    reader.bmp(7)
    message["aliases"] = reader.aliases() if info else []
    message["address"] = reader.address() if destination else None
    if extra:
        reader.aliases()
    message["source"] = reader.aliases()
    if source:
        reader.address()
    message["bandwidth"] = reader.number32()
    message["reference"] = reader.number16()
    if present[5] or present[6]:
        raise ValueError("nonStandardData and callServices are not read")
    reader.octets(16)
    reader.bits(1)
    message["answer"] = bool(reader.bits(1))


def parse_brq(reader, present, message):
    reader.bmp(7)
    reader.octets(16)
    reader.number16()
    if present[0]:
        reader.bits(3)
    message["bandwidth"] = reader.number32()


def head(kind, seq, optional, extended=0):
    """An answer up to its requestSeqNum; `optional` has a bit for each optional field."""
    writer = Writer().bits(ANSWERS[kind], 6).bits(extended, 1)
    for bit in optional:
        writer.bits(bit, 1)
    return writer.number16(seq - 1)


def gcf(seq, ras):
    message = head("GCF", seq, (0, 1)).octets(b"\6" + PROTOCOL)
    return message.bmp128(GATEKEEPER).address(*ras).done()


def rcf(seq, signal, ttl_s):
    message = head("RCF", seq, (0, 0, 1), 1).octets(b"\6" + PROTOCOL).octets(bytes([len(signal)]))
    for address in signal:
        message.address(*address)
    message.bmp128(GATEKEEPER).bmp128(ENDPOINT)
    # Extensions: two, of which the second, timeToLive, is there.
    message.bits(1, 7).bits(0b01, 2)
    return message.open(Writer().number32(ttl_s - 1)).done()


def acf(seq, bandwidth, address):
    # irrFrequency and nonStandardData are left out; callModel is direct.
    return head("ACF", seq, (0, 0)).number32(bandwidth).bits(0, 2).address(*address).done()


def arj(seq, reason):
    return head("ARJ", seq, (0,)).bits(REASONS.index(reason), 4).done()


def bcf(seq, bandwidth):
    return head("BCF", seq, (0,)).number32(bandwidth).done()


def bare(kind, seq):
    """DCF and UCF."""
    return head(kind, seq, (0,)).done()


class Gatekeeper:
    """Answers requests; knows the table of aliases and who is to be refused."""

    def __init__(self, ras, aliases, rejects, ttl_s):
        self.ras, self.aliases, self.rejects, self.ttl_s = ras, aliases, rejects, ttl_s

    def answer(self, message):
        """The answer's name and bytes, or None."""
        seq = message["seq"]
        match message["type"]:
            case "GRQ":
                return "GCF", gcf(seq, self.ras)
            case "RRQ":
                return "RCF", rcf(seq, message["signal"], self.ttl_s)
            case "ARQ":
                return self.admit(message)
            case "BRQ":
                return "BCF", bcf(seq, message["bandwidth"])
            case "DRQ":
                return "DCF", bare("DCF", seq)
            case "URQ":
                return "UCF", bare("UCF", seq)
        return None

    def admit(self, message):
        seq, names = message["seq"], message["aliases"]
        for name in names or ["-"]:
            if name in self.rejects:
                reason = self.rejects[name]
                return None if reason == "silence" else ("ARJ", arj(seq, reason))
        known = [self.aliases[name] for name in names if name in self.aliases]
        address = message["address"] if message["answer"] or not known else known[0]
        if address is None or (not message["answer"] and address == self.ras_signal()):
            return "ARJ", arj(seq, "calledPartyNotRegistered")
        return "ACF", acf(seq, message["bandwidth"], address)

    def ras_signal(self):
        return self.ras[0], 1720


def line(message, answer):
    """The log's record of a message: type, number, aliases, address, and the answer."""
    words = [message["type"], str(message["seq"])]
    words += [f"alias={','.join(message['aliases']) or '-'}"] if "aliases" in message else []
    if message.get("address"):
        words.append("to={}:{}".format(*message["address"]))
    if message.get("answer"):
        words.append("incoming")
    return " ".join(words + (["->", answer[0]] if answer else []))


def serve(gatekeeper):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(gatekeeper.ras)
        print("ready", flush=True)
        while True:
            data, peer = sock.recvfrom(4096)
            try:
                message = parse(data)
                answer = gatekeeper.answer(message)
            except (IndexError, ValueError) as error:
                print("unreadable", error, data.hex(), flush=True)
                continue
            print(line(message, answer), flush=True)
            if answer:
                sock.sendto(answer[1], peer)


def address_of(text):
    ip, port = text.rsplit(":", 1)
    return ip, int(port)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ip", nargs="?")
    parser.add_argument("--alias", action="append", default=[], metavar="NAME=IP:PORT")
    parser.add_argument("--reject", action="append", default=[], metavar="NAME=REASON")
    parser.add_argument("--ttl", type=int, default=60, help="seconds")
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    aliases = {name: address_of(value) for name, value in (a.split("=", 1) for a in args.alias)}
    rejects = dict(item.split("=", 1) for item in args.reject)
    return serve(Gatekeeper((args.ip, 1719), aliases, rejects, args.ttl))


# Seen on the wire between Asterisk 22.10.1 and this program; the answers were dissected by tshark.
REQUEST_VECTORS = [
    ("00200000060008914a0004007f00000232e622c0b8000027056f6f683332330676302e382e336d0001400a0069"
     "0066002d0065007300630061006c006100740065", {"type": "GRQ", "seq": 1}),
    ("0e800001060008914a00048001007f00000206b801007f00000232e622c0b8000027056f6f683332330676302e"
     "382e336d0001400a00690066002d0065007300630061006c00610074006560b8000027056f6f683332330676302e"
     "382e336d2c8a00000340012b01000100",
     {"type": "RRQ", "seq": 2, "signal": [("127.0.0.2", 1720)], "ras": [("127.0.0.2", 13030)]}),
    ("27d0000800800037003300380031005f0065006e006400700101807a44007f00000306b801400a00690066002d00"
     "65007300630061006c006100740065007f00000206b8800186a0003c6c6d6e6f707172737475767778797a7b0964"
     "2000010011006f6f68333233632d6f2ea90ace3f000015120067006100740065006b006500650070006500720100",
     {"type": "ARQ", "seq": 9, "aliases": ["4711"], "address": ("127.0.0.3", 1720),
      "source": ["if-escalate"], "bandwidth": 100000, "reference": 60, "answer": False}),
    ("3e0004120065006e00640070006f0069006e0074002d0031595a5b5c5d5e5f606162636465666768005723211811"
     "006f6f68333233632db0707709ce3f00000100117000c06b0bf775c06b0bf775c06b0bf7780b5043616c6c20456e"
     "646564", {"type": "DRQ", "seq": 5}),
]


def answer_vectors():
    """Answers and their bytes."""
    return [
        (gcf(1, ("127.0.0.4", 1719)),
         "04800000060008914a0004120067006100740065006b00650065007000650072007f00000406b7"),
        (rcf(2, [("127.0.0.2", 1720)], 60),
         "12400001060008914a000401007f00000206b8120067006100740065006b006500650070006500721000"
         "37003300380031005f0065006e00640070028002003b"),
        (acf(3, 100000, ("127.0.0.3", 1720)), "28000002800186a0007f00000306b8"),
        (arj(3, "requestDenied"), "2c000220"),
        (bare("DCF", 5), "400004"),
    ]


def self_test():
    failed = 0
    for data, wanted in REQUEST_VECTORS:
        got = parse(bytes.fromhex(data))
        failed += report(wanted["type"], wanted, got)
    for got, wanted in answer_vectors():
        failed += report("answer", wanted, got.hex())
    return 1 if failed else 0


def report(name, wanted, got):
    if got == wanted:
        return 0
    print(f"{name}: expected {wanted}, got {got}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
