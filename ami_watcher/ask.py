"""Asks the running daemon, through its Unix socket.

The socket's permissions say who may ask: root and its group. No port, no token and no name is needed, and nothing that
a browser runs can reach it.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from host.errors import HotstandbyError
from host.file_reading import from_json
from host.places import Places
from host.printable import printable

if TYPE_CHECKING:
    from ami_watcher.web.documents import Document

Answer = TypeVar("Answer", bound="Document")

DEADLINE_S = 5.0
LONGEST = 64 * 2**20
"""Bytes of an answer; 10,000 phones, the most that are asked for, make about 5 MiB."""


class WatcherSilent(HotstandbyError):
    """The daemon does not run here, may not be asked, or does not answer."""


def ask(
    places: Places,
    path: str,
    answer: type[Answer],
    *,
    deadline_s: float = DEADLINE_S,
    **query: str | float | None,
) -> Answer:
    """What the daemon says, as one of its documents.

    Args:
        places, path, deadline_s, **query: as for `ask_json`.
        answer: the document that is expected.

    Raises:
        WatcherSilent
    """
    body = _asked(places, path, deadline_s, query)
    try:
        return answer.model_validate_json(body)
    except ValueError:  # pydantic's ValidationError is one
        raise other_version() from None


def ask_json(
    places: Places, path: str, *, deadline_s: float = DEADLINE_S, **query: str | float | None
) -> Mapping[str, Any]:
    """What the daemon says, as JSON, for a command that must start quickly.

    Args:
        places: of this machine.
        path: such as "/api/registrations".
        deadline_s: seconds for connecting, and again for the whole answer.
        **query: parameters; None is left out.

    Raises:
        WatcherSilent
    """
    try:
        found = from_json(_asked(places, path, deadline_s, query))
    except ValueError:
        raise other_version() from None
    if not isinstance(found, Mapping):
        raise other_version()
    return found


def other_version() -> WatcherSilent:
    """The daemon's documents are not what this command knows."""
    return WatcherSilent(
        "The running ami-watcher is of another version than this command. Restart it with: "
        "systemctl restart ami-watcher"
    )


def _asked(places: Places, path: str, deadline_s: float, query: Mapping[str, str | float | None]) -> bytes:
    where = places.watcher_socket
    given = {name: value for name, value in query.items() if value is not None}
    connection = _UnixConnection(where, deadline_s)
    try:
        connection.request("GET", f"{path}?{urlencode(given)}" if given else path, headers={"Host": "localhost"})
        response = connection.getresponse()
        body = _whole(response, time.monotonic() + deadline_s)
    except (FileNotFoundError, ConnectionRefusedError):
        raise WatcherSilent(
            f"ami-watcher does not run on this machine: nobody answers at {where}. Start it with: "
            "systemctl start ami-watcher"
        ) from None
    except PermissionError:
        raise WatcherSilent(
            f"{where} answers root and its group alone. Type the command again with sudo, or join the group: "
            f"stat -c %G {where}"
        ) from None
    except TimeoutError:
        raise WatcherSilent(
            f"ami-watcher took the question and did not answer within {deadline_s:g} s. "
            "See what it does with: journalctl -u ami-watcher -n 50"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise WatcherSilent(
            f"ami-watcher broke off ({type(error).__name__}: {printable(str(error))}). "
            "See why with: journalctl -u ami-watcher -n 50"
        ) from None
    finally:
        connection.close()
    # A daemon that is not ready answers 503 with the same document, and says in it why.
    if response.status not in (200, 503):
        raise WatcherSilent(f"ami-watcher refused: {_error(body)}")
    return body


def _whole(response: http.client.HTTPResponse, until: float) -> bytes:
    """The body. Root asks this daemon, which is not root's: it cannot hold the question or fill the memory."""
    body = bytearray()
    while piece := response.read1(65536):
        body += piece
        if len(body) > LONGEST:
            raise http.client.HTTPException(f"more than {LONGEST // 2**20} MiB")
        if time.monotonic() > until:
            raise TimeoutError
    return bytes(body)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, deadline_s: float) -> None:
        super().__init__("localhost", timeout=deadline_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _error(body: bytes) -> str:
    try:
        document = from_json(body)
    except ValueError:
        return "it did not say why"
    return printable(str(document.get("error", ""))) if isinstance(document, Mapping) else "it did not say why"
