"""A witness log without a proxy: the writer, producers and verifier that the parts `log-*` torment.
"""

import functools
import importlib.util
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

BIN = pathlib.Path(os.environ["IFE_BIN"])
SHORT = os.environ.get("SCALE") == "short"
RNG = random.Random(int(os.environ.get("SEED", "1")))
ORIGIN = "prove.example/log"
START_S = 30


@functools.cache
def siptool():
    path = pathlib.Path(os.environ["IFE_ROOT"], "scripts/lib/siptool.py")
    spec = importlib.util.spec_from_file_location("siptool", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def result(fault, rounds, lost, doubled, ok, note=""):
    """One row of the table."""
    row = {
        "fault": fault,
        "rounds": rounds,
        "lost": lost,
        "doubled": doubled,
        "through": 0,
        "ok": bool(ok),
        "note": note,
    }
    with open(os.environ["PROVE_RESULTS"], "a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


class Host:
    """The directories of one host: `disk` and, on tmpfs, `memory`."""

    def __init__(self, name):
        self.disk = pathlib.Path(os.environ["PROVE_DIR"], name)
        self.memory = pathlib.Path("/dev/shm", f"ife-prove-{os.getpid()}-{name}")
        self.acknowledged = {}
        self.clear()

    def clear(self):
        for path in (self.disk, self.memory):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        self.acknowledged = {}

    def remove(self):
        shutil.rmtree(self.disk, ignore_errors=True)
        shutil.rmtree(self.memory, ignore_errors=True)

    @property
    def log(self):
        return self.disk / "log"

    def save(self):
        """Both directories as they are, for `restore`."""
        for path in (self.disk, self.memory):
            shutil.copytree(path, f"{path}.saved", dirs_exist_ok=True)

    def restore(self):
        for path in (self.disk, self.memory):
            shutil.rmtree(path)
            shutil.copytree(f"{path}.saved", path)
        self.acknowledged = {}

    def forget_saved(self):
        for path in (self.disk, self.memory):
            shutil.rmtree(f"{path}.saved", ignore_errors=True)

    def command(self, *more):
        return [
            str(BIN / "ife-witnessd"),
            "--init",
            "--log-dir",
            str(self.log),
            "--state-dir",
            str(self.memory),
            "--origin",
            ORIGIN,
            "--key",
            str(self.disk / "key"),
            "--cosigner-key",
            str(self.disk / "cosigner"),
            "--vkey-out",
            str(self.disk / "vkey"),
            "--publish-ms",
            "10",
            "--segment-mib",
            "1",
            "--min-free-mib",
            "1",
            "--log-level",
            "warn",
            *more,
        ]

    def writer(self, wrapper=(), stderr=subprocess.PIPE):
        return subprocess.Popen(
            [*wrapper, *self.command()], stdout=subprocess.DEVNULL, stderr=stderr
        )

    def running_pid(self, process, limit_s=START_S):
        """Process id of the writer once it runs; None once `process` has ended."""
        stale = self.memory / "witnessd.json"
        end = time.monotonic() + limit_s
        while time.monotonic() < end and process.poll() is None:
            try:
                status = json.loads(stale.read_text())
                if status["state"] == "running" and is_child(status["pid"], process.pid):
                    return status["pid"]
            except (OSError, ValueError):
                pass
            time.sleep(0.005)
        return None

    def feed(self, producer, *more, wait_ms=5000, out=subprocess.PIPE):
        """A producer's process."""
        feed = [BIN / "witness_feed", "--state-dir", self.memory, "--producer", producer]
        command = [*feed, "--wait-ms", str(wait_ms), *more]
        return subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, text=True)

    def note(self, producer, feeding):
        """Waits for a producer's end and keeps the entries acknowledged to it."""
        out, _ = feeding.communicate(timeout=60)
        self.keep(producer, out)

    def keep(self, producer, out):
        """Keeps the entries that a producer printed as acknowledged, without a torn last line."""
        lines = [line for line in out.splitlines(keepends=True) if line.endswith("\n")]
        self.acknowledged.setdefault(producer, []).extend(
            tuple(map(int, line.split())) for line in lines
        )

    def check(self):
        """(verified, lost, doubled, words): the whole log against the acknowledged entries."""
        run = verify(self.log, self.disk / "vkey")
        if run.returncode != 0:
            return False, 0, 0, run.stderr.strip()[-300:]
        logged = {}
        for entry in siptool().entries(self.log):
            logged.setdefault(entry["producer"], []).append((entry.get("epoch"), entry["seq"]))
        doubled = sum(len(marks) - len(set(marks)) for marks in logged.values())
        lost = sum(
            len(set(marks) - set(logged.get(name, ()))) for name, marks in self.acknowledged.items()
        )
        return True, lost, doubled, ""


def is_child(pid, ancestor):
    """Whether `pid` is `ancestor` or descends from it."""
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def stop(process, pid, name=signal.SIGTERM):
    """Signals the writer and waits for the process that was started: (exit code, output)."""
    try:
        os.kill(pid, name)
    except ProcessLookupError:
        pass
    _, said = process.communicate(timeout=60)
    return process.returncode, (said or b"").decode(errors="replace")


def verify(log, vkey):
    command = [BIN / "ifectl", "witness", "verify", "--log", log, "--vkey", vkey]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
