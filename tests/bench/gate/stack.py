"""Real Kamailio and sipp under measurement: start, load, CPU time, stop."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
# Debian's default allocator is built for debugging: each allocation looks through a thousand lists,
# and how far depends on
# the luck of the heap's layout, by up to 30 us a message. This one has no such luck in it.
ALLOCATOR = ["-x", "fm", "-X", "fm"]
# The system's own: app_python3 takes its Python, and that Python its packages, by the path.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def children_of(pid):
    """All processes below `pid`, itself included, from /proc."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo.extend(parents.get(found[-1], []))
    return found


def cpu_ns(pids):
    """Time on CPU, user and system, in nanoseconds; the scheduler's own sum, so no 10 ms ticks."""
    return sum(int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids)


def private_kib(pid):
    """Memory that this process alone pays for. Mapped files of the state directory are shared by
    all workers, and count as
    private only while one of them happens to be the first to look."""
    total, shared = 0, False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            shared = "/dev/shm/" in line
        elif not shared and line.startswith("Private_"):
            total += int(line.split()[1])
    return total


class Stalled(Exception):
    """The machine lost too many datagrams: no measurement."""


class Kamailio:
    """One Kamailio in the foreground with a configuration of cfg/, its capital words replaced."""

    def __init__(self, cfg_name, work, values, env=None, memory_mib=256, cpu=None):
        self.port = free_udp_port()
        self.work = work / cfg_name
        self.work.mkdir(parents=True, exist_ok=True)
        values = {**values, "PORT": str(self.port)}
        for name in ("common.cfg", f"{cfg_name}.cfg"):
            text = (HERE / "cfg" / name).read_text()
            for word, value in values.items():
                text = re.sub(rf"\b{word}\b", value, text)
            (self.work / name).write_text(text)
        self.log = open(self.work / "kamailio.log", "wb")
        binding = [] if cpu is None else ["taskset", "-c", str(cpu)]
        self.process = subprocess.Popen(
            [
                *binding,
                "kamailio",
                "-DD",
                "-E",
                "-m",
                str(memory_mib),
                "-M",
                "16",
                # The kernel gives at most net.core.rmem_max. A full buffer loses calls under way.
                "-b",
                "4194304",
                *ALLOCATOR,
                "-Y",
                str(self.work),
                "-f",
                str(self.work / f"{cfg_name}.cfg"),
            ],
            stdout=self.log,
            stderr=self.log,
            env={**(env or {}), "PATH": SYSTEM_PATH},
            start_new_session=True,
        )
        self.wait_ready()

    def wait_ready(self):
        """Answers an INVITE-less probe: a worker that replies at all has finished child_init."""
        probe = (
            "OPTIONS sip:probe@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
            "127.0.0.1:9;rport;branch=z9hG4bKprobe\r\n"
            "From: <sip:probe@127.0.0.1>;tag=p\r\nTo: <sip:probe@127.0.0.1>\r\nCall-ID: probe\r\n"
            "CSeq: 1 OPTIONS\r\n"
            f"Max-Forwards: 1\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            for _ in range(100):
                if self.process.poll() is not None:
                    raise SystemExit(f"kamailio ended: see {self.work}/kamailio.log")
                try:
                    sock.sendto(probe, ("127.0.0.1", self.port))
                    sock.recv(4096)
                    return
                except OSError:
                    time.sleep(0.1)
        raise SystemExit(f"kamailio does not answer: see {self.work}/kamailio.log")

    def pids(self):
        return children_of(self.process.pid)

    def worker_of(self, load):
        """The process that takes SIP from UDP: the one whose CPU time grows most under `load`, a
        function.
        """
        before = {pid: cpu_ns([pid]) for pid in self.pids()}
        load()
        return max(before, key=lambda pid: cpu_ns([pid]) - before[pid])

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def load(kamailio, fields, count, rate, expected, response_times=False):
    """Sends `count` INVITEs at `rate` calls/s; returns the number that got `expected`."""
    xml = kamailio.work / f"uac-{expected}.xml"
    xml.write_text((HERE / "uac.xml").read_text().replace("EXPECTED", str(expected)))
    for old in kamailio.work.glob("*_rtt.csv"):
        old.unlink()
    traces = ["-trace_rtt", "-rtt_freq", "1"] if response_times else []
    done = subprocess.run(
        [
            "sipp",
            f"127.0.0.1:{kamailio.port}",
            "-sf",
            str(xml),
            "-inf",
            str(fields),
            "-i",
            "127.0.0.1",
            "-m",
            str(count),
            "-r",
            str(rate),
            "-l",
            "4000",
            "-nostdin",
            "-timeout",
            "120",
            "-recv_timeout",
            "5000",
            "-nr",
            "-trace_stat",
            "-stf",
            str(kamailio.work / "stat.csv"),
            "-fd",
            "1",
            *traces,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=kamailio.work,
        check=False,
    )
    lines = (kamailio.work / "stat.csv").read_text().splitlines()
    row = dict(zip(lines[0].split(";"), lines[-1].split(";")))
    good = int(row["SuccessfulCall(C)"])
    # A datagram may be lost when the machine stalls; more than one call in 200 is no measurement.
    if good < count * 0.995:
        raise Stalled(
            f"{kamailio.work.name}: {good} of {count} calls got {expected}; sipp says "
            f"{done.stderr.decode()[-400:]}"
        )
    return good


def until_measured(measure, attempts=4):
    """What `measure` gives, tried anew when the machine stalled meanwhile."""
    for attempt in range(attempts):
        try:
            return measure()
        except Stalled as stalled:
            print(f"bench: {stalled}", file=sys.stderr)
            if attempt == attempts - 1:
                raise SystemExit("bench: the machine is too busy to measure anything") from stalled
    raise AssertionError("attempts is positive")


def cpu_per_call_us(kamailio, fields, count, rate, expected):
    """CPU of all Kamailio processes per INVITE, in microseconds."""
    pids = kamailio.pids()
    before = cpu_ns(pids)
    good = load(kamailio, fields, count, rate, expected)
    return (cpu_ns(pids) - before) / good / 1000


def response_times_ms(kamailio):
    """Milliseconds from INVITE to final reply of each call of the last load, by sipp's clock."""
    times = []
    for path in kamailio.work.glob("*_rtt.csv"):
        for line in path.read_text().splitlines()[1:]:
            times.append(float(line.split(";")[1]))
    return times
