"""Pages that use the npm package, in the browsers of this machine."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from browsers import ARGUMENTS, CHROMIUM
from concurrency import HANG
from paths import ROOT

FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
ONNXRUNTIME = "/runtime/web/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs"
PAGE = f"""<!doctype html><title>edge-predict</title>
<script type="importmap">{{"imports": {{"onnxruntime-web/wasm": "{ONNXRUNTIME}"}}}}</script>"""
# Nothing but the site is asked for, and nothing is shown.
PREFERENCES = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "marionette.port": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "http://127.0.0.1:1",
    "toolkit.telemetry.enabled": False,
}

# Marionette's own scripts do not see the page's import map; those that they add to the page do.
ADD_SCRIPT = """
const [source, resolve] = arguments, script = document.createElement("script");
document.addEventListener("answered", () => resolve(document.documentElement.dataset.answer), { once: true });
script.textContent = source;
document.head.append(script);
"""
IN_THE_PAGE = """Promise.resolve(({function})({argument}))
    .then((value) => ({{ value }}), (error) => ({{ error: String(error) }}))
    .then((answer) => {{
        document.documentElement.dataset.answer = JSON.stringify(answer);
        document.dispatchEvent(new Event("answered"));
    }});"""

# What is passed is the source of an async function in JavaScript and its argument; what it returns comes back.
Evaluate: TypeAlias = Callable[[str, Any], Any]


@contextlib.contextmanager
def site(**folders: Path) -> Iterator[str]:
    """The address of a site with the package, its tests, a page `index.html` that may import them, and `folders`."""
    with tempfile.TemporaryDirectory() as root:
        for name, folder in {"runtime": ROOT / "runtime", "tests": ROOT / "tests", **folders}.items():
            (Path(root) / name).symlink_to(folder.absolute())
        (Path(root) / "index.html").write_text(PAGE)
        command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", root]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+:\d+/", server.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            server.kill()
            server.communicate()


@contextlib.contextmanager
def chromium_page(address: str) -> Iterator[Evaluate]:
    """The page at `address` in Chromium. Raises ImportError without playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS), timeout=HANG * 1000)
        try:
            page = browser.new_page()
            page.goto(address)
            yield lambda function, argument: page.evaluate(f"(argument) => ({function})(argument)", argument)
        finally:
            browser.close()


@contextlib.contextmanager
def firefox_page(address: str) -> Iterator[Evaluate]:
    """The page at `address` in Firefox."""
    with firefox(address) as marionette:
        yield marionette.evaluate


@contextlib.contextmanager
def firefox(address: str) -> Iterator["Marionette"]:
    """A Firefox with the page at `address`, driven by its own protocol, Marionette."""
    assert FIREFOX is not None
    with tempfile.TemporaryDirectory() as profile:
        lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in PREFERENCES.items()]
        (Path(profile) / "user.js").write_text("\n".join(lines))
        command = [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", profile]
        browser = subprocess.Popen(
            command, env={**os.environ, "HOME": profile}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            with Marionette(_port(Path(profile) / "MarionetteActivePort", browser)) as marionette:
                marionette.call("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"timeouts": TIMEOUTS}}})
                marionette.call("WebDriver:Navigate", {"url": address})
                yield marionette
        finally:
            browser.kill()
            browser.wait()


TIMEOUTS = {"script": HANG * 1000, "pageLoad": HANG * 1000}
PAGES = {"chromium": chromium_page, "firefox": firefox_page}


def _port(file: Path, browser: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + HANG
    while not (file.exists() and file.read_text().strip()):
        assert browser.poll() is None, "Firefox has ended"
        assert time.monotonic() < end, "Firefox does not start"
        time.sleep(0.05)
    return int(file.read_text())


class Marionette:
    """A connection to Firefox: messages of JSON, each after its length.

    https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=HANG)
        self._file = self._socket.makefile("rb")
        self._count = 0

    def __enter__(self) -> "Marionette":
        self._receive()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._socket.close()

    def call(self, name: str, parameters: dict[str, Any]) -> Any:
        """Send a command; what it gives, or AssertionError."""
        self._count += 1
        message = json.dumps([0, self._count, name, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._receive()
        assert error is None, error
        return result

    def evaluate(self, function: str, argument: Any) -> Any:
        """As `Evaluate` says."""
        source = IN_THE_PAGE.format(function=function, argument=json.dumps(argument))
        parameters = {"script": ADD_SCRIPT, "args": [source]}
        found = json.loads(self.call("WebDriver:ExecuteAsyncScript", parameters)["value"])
        assert "error" not in found, found
        return found.get("value")

    def _receive(self) -> Any:
        length = b""
        while (byte := self._file.read(1)) != b":":
            assert byte, "Firefox has closed the connection"
            length += byte
        return json.loads(self._file.read(int(length)))
