"""A proxy before Asterisk's manager interface that can cut, swallow and flood.

ami_proxy.py LISTEN_HOST:PORT ASTERISK_HOST:PORT CONTROL_SOCKET

An order on the control socket is a line, its answer is a line: `pass`; `cut` (every connection
ends, new ones too); `hole` (nothing is
forwarded, and bytes sent meanwhile arrive late); `events N` and `garbage N` (so many between two
messages of Asterisk).
"""

import asyncio
import random
import sys

EVENTS = [
    "Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: Noise\r\nUniqueid: 1.{n}\r\nSaid: x\r\n"
    "\r\n",
    "Event: VarSet\r\nPrivilege: dialplan,all\r\nChannel: Local/x-{n}\r\nVariable: X\r\n"
    "Value: {n}\r\n"
    "Uniqueid: noise.{n}\r\n\r\n",
    "Event: Hangup\r\nPrivilege: call,all\r\nChannel: PJSIP/x-{n}\r\nUniqueid: noise.{n}\r\n"
    "Cause: 16\r\n\r\n",
]
GARBAGE = [
    "no colon at all\r\n\r\n",
    "Event Newchannel\r\n: nothing\r\n\r\n",
    "Event: \r\n\r\n",
    "Response: Success\r\nActionID: nobody-{n}\r\n\r\n",
    "Event: Newchannel\r\nUniqueid: \x00\x01\x7f{n}\r\nChannelState: minus one\r\n\r\n",
    "Event: Hangup\r\n" + "Key: value\r\n" * 50 + "\r\n",
    "\r\n\r\n",
]


class Proxy:
    def __init__(self, target):
        self.target, self.mode = target, "pass"
        self.open = asyncio.Event()
        self.open.set()
        self.bridges, self.writers = set(), set()

    async def take(self, reader, writer):
        if self.mode == "cut":
            return writer.close()
        try:
            asterisk, back = await asyncio.open_connection(*self.target)
        except OSError:
            return writer.close()
        self.writers |= {writer, back}
        pumps = [self.inward(asterisk, writer), self.outward(reader, back)]
        tasks = [asyncio.create_task(pump) for pump in pumps]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        self.bridges.discard(writer)
        self.writers -= {writer, back}
        writer.close()
        back.close()

    async def outward(self, reader, writer):
        """From the bridge to Asterisk."""
        while data := await reader.read(65536):
            await self.open.wait()
            writer.write(data)
            await writer.drain()

    async def inward(self, reader, writer):
        """From Asterisk to the bridge, whole messages at a time."""
        writer.write(await reader.readline())
        self.bridges.add(writer)
        while True:
            message = await reader.readuntil(b"\r\n\r\n")
            await self.open.wait()
            writer.write(message)
            await writer.drain()

    async def flood(self, texts, count):
        for number in range(count):
            text = random.choice(texts).replace("{n}", str(number)).encode("latin-1")
            for writer in list(self.bridges):
                try:
                    writer.write(text)
                    if number % 100 == 0:
                        await writer.drain()
                except OSError:
                    self.bridges.discard(writer)

    async def obey(self, reader, writer):
        while line := await reader.readline():
            order, *rest = line.decode().split()
            if order in ("pass", "cut", "hole"):
                self.mode = order
                if order == "hole":
                    self.open.clear()
                else:
                    self.open.set()
                for one in list(self.writers) if order == "cut" else []:
                    one.close()
            else:
                await self.flood(EVENTS if order == "events" else GARBAGE, int(rest[0]))
            writer.write(b"done\n")
            await writer.drain()


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


async def main(listen, target, control):
    proxy = Proxy(address(target))
    server = await asyncio.start_server(proxy.take, *address(listen), limit=1 << 20)
    orders = await asyncio.start_unix_server(proxy.obey, control)
    async with server, orders:
        await asyncio.gather(server.serve_forever(), orders.serve_forever())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
