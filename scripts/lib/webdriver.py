"""Chromium, driven over WebDriver (W3C) by Debian's chromedriver; Python's standard library alone.

Waits are polls with a limit (WAIT_S, 60 seconds); an error names the condition.
"""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

WAIT_S = float(os.environ.get("WAIT_S", "60"))
ANSWER_BYTES_MAX = 64 << 20
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    # A machine, or a namespace, may have no other network than loopback.
    "--allow-loopback-in-peer-connection", "--hide-scrollbars", "--window-size=1100,1043",
    # By itself chromedriver reaches the browser at ws://localhost: a machine without /etc/hosts, as
    # Debian's smallest root is, may have no such name.
    "--remote-debugging-pipe",
]


class BrowserError(Exception):
    """What failed, and why."""


def until(what, probe):
    """Polls until the probe's value is true; returns it."""
    end = time.monotonic() + WAIT_S
    while not (value := probe()):
        if time.monotonic() > end:
            raise BrowserError(f"waited {WAIT_S:.0f} s in vain: {what}")
        time.sleep(0.1)
    return value


class Browser:
    """A browser with a profile of its own; `close` ends it and removes the profile."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ife-browser-"))
        self.driver = self.session = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        program = shutil.which("chromedriver")
        if not program:
            raise BrowserError("chromedriver is not installed: scripts/setup.sh demo installs it")
        log = self.folder / "driver.log"
        with open(log, "wb") as to:
            streams = {"stdin": subprocess.DEVNULL, "stdout": to, "stderr": to}
            self.driver = subprocess.Popen([program, "--port=0"], start_new_session=True, **streams)
        self.port = int(until("chromedriver names its port", lambda: self._port_in(log)))
        chrome = {
            "args": [*FLAGS, f"--user-data-dir={self.folder / 'profile'}"],
            "prefs": {"download.default_directory": str(self.folder)},
        }
        wanted = {"browserName": "chrome", "goog:chromeOptions": chrome}
        answer = self._ask("/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{answer['sessionId']}"

    def _port_in(self, log):
        if self.driver.poll() is not None:
            raise BrowserError(f"chromedriver ended: {log.read_text(errors='replace')[-500:]}")
        found = re.search(r"started successfully on port (\d+)", log.read_text(errors="replace"))
        return found and found[1]

    def _ask(self, path, body, method="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            head = {"Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body), head)
            value = json.loads(connection.getresponse().read(ANSWER_BYTES_MAX))["value"]
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise BrowserError(f"chromedriver does not answer {method} {path}: {error}") from error
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            reason = value["message"].split("\nStacktrace")[0].replace("\n", " ")
            raise BrowserError(f"{value['error']}: {reason}")
        return value

    def command(self, path, body):
        return self._ask(self.session + path, body)

    def open(self, address):
        self.command("/url", {"url": address})

    def all(self, css, what="element"):
        """The elements of this selector that are shown, or another expression of each."""
        every = "[...document.querySelectorAll(arguments[0])]"
        script = f"return {every}.filter((one) => one.checkVisibility()).map((element) => {what})"
        return self.command("/execute/sync", {"script": script, "args": [css]})

    def all_shown(self, css):
        """Waits until an element of this selector is shown; all that are."""
        return until(f"{css} is shown", lambda: self.all(css))

    def texts(self, css):
        return self.all(css, "element.innerText")

    def has_text(self, css, text):
        """Waits for a shown element with this text in it."""
        until(f'{css} has the text "{text}"', lambda: any(text in one for one in self.texts(css)))

    def click(self, css):
        """Clicks on the element once it is shown and enabled."""
        element = self.all_shown(f"{css}:not(:disabled)")[0][ELEMENT]
        self.command(f"/element/{element}/click", {})

    def press(self, key):
        down_up = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.command("/actions", {"actions": [{"type": "key", "id": "keys", "actions": down_up}]})

    def picture(self, path, whole=True):
        """Writes a PNG of the page, or of the part in the window."""
        asked = {"cmd": "Page.captureScreenshot", "params": {"captureBeyondViewport": whole}}
        data = self.command("/goog/cdp/execute", asked)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def saved(self, css, pattern):
        """Clicks on what saves a file; the file's bytes."""
        self.click(css)
        path = until("the file is saved", lambda: next(self.folder.glob(pattern), None))
        return path.read_bytes()

    def close(self):
        if self.session:
            with contextlib.suppress(BrowserError):
                self._ask(self.session, {}, "DELETE")
        if self.driver:
            # The rest of its session.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
