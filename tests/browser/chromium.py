"""A real Chromium without a window, driven through its own DevTools protocol over a pair of pipes.

No driver program and no library stands between: `--remote-debugging-pipe` reads JSON on descriptor 3 and writes JSON on
descriptor 4, each message ended by a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, Self

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class BrowserError(AssertionError):
    """Chromium, or a script in its page, refused."""


def program() -> str | None:
    """Chromium's path, None where it is not installed."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Chromium:
    """`with Chromium() as browser: browser.go(address)`; one page."""

    def __init__(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        self._size = (width, height)
        self._dark = dark
        self._number = 0
        self._rest = b""
        self._session: str | None = None
        self.complaints: list[str] = []
        """What the page's console and its Content Security Policy said against it."""
        self.requests: list[str] = []
        """Addresses that the page asked for."""

    def __enter__(self) -> Self:
        found = program()
        assert found is not None
        self._profile = TemporaryDirectory(prefix="hotstandby-chromium-", ignore_cleanup_errors=True)
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()

        def wire() -> None:
            # Chromium wants them as 3 and 4; copied high first, so that neither overwrites the other.
            high_read, high_write = os.dup2(to_read, 100), os.dup2(to_write, 101)
            os.dup2(high_read, 3)
            os.dup2(high_write, 4)

        self._process = subprocess.Popen(
            [found, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=wire,
            close_fds=False,
            start_new_session=True,
        )
        os.close(to_read)
        os.close(to_write)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self._call(f"{domain}.enable")
        self.resize(*self._size)
        self.light(dark=self._dark)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._session = None
            self._call("Browser.close", deadline_s=5)
            self._process.wait(timeout=5)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait(timeout=5)
        os.close(self._to)
        os.close(self._from)
        self._profile.cleanup()

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Another window, in CSS pixels; a phone's is touched and dense."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    def light(self, *, dark: bool) -> None:
        """What the reader prefers."""
        self._call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )

    def go(self, address: str) -> None:
        """Opens a page and waits until it is loaded."""
        self._call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def leave(self) -> None:
        """Opens an empty page, and forgets what was heard."""
        self._call("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank' && document.readyState === 'complete'")
        self.complaints.clear()
        self.requests.clear()

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page, promises awaited."""
        answer = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def until(self, script: str, deadline_s: float = 30.0) -> Any:
        """What an expression gives as soon as that is true."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            if found := self.evaluate(script):
                return found
            time.sleep(0.05)
        raise BrowserError(f"not within {deadline_s:g} s: {script}\n{self.text()[:2000]}")

    def text(self) -> str:
        """What a person reads."""
        return str(self.evaluate("document.body.innerText"))

    def press(self, key: str, *, code: int, text: str = "") -> None:
        """One key, down and up."""
        keys: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self._call("Input.dispatchKeyEvent", type="keyDown", text=text, **keys)
        self._call("Input.dispatchKeyEvent", type="keyUp", **keys)

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self._call("Input.insertText", text=text)

    def accessible(self) -> list[Mapping[str, Any]]:
        """The tree that a screen reader gets, without what it does not see."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [node for node in nodes if not node.get("ignored")]

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        data = self._call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _call(self, method: str, deadline_s: float = 40.0, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + deadline_s
        while True:
            answer = self._message(end)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self._heard(answer)

    def _message(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self._from, 1 << 20) if ready else b""
            if not data:
                raise BrowserError("Chromium does not answer")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(line))

    def _heard(self, event: Mapping[str, Any]) -> None:
        parameters = event.get("params", {})
        take: Mapping[str, Callable[[], None]] = {
            "Log.entryAdded": lambda: self.complaints.append(parameters["entry"]["text"]),
            "Runtime.exceptionThrown": lambda: self.complaints.append(str(parameters["exceptionDetails"]["text"])),
            "Network.requestWillBeSent": lambda: self.requests.append(parameters["request"]["url"]),
        }
        if (handler := take.get(str(event.get("method")))) is not None:
            handler()
