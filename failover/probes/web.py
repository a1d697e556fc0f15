"""Does a machine's web server answer, and is it that machine's own site?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from failover.probe_result import ProbeAnswer, ProbeResult
from host.http.quiet import silence_http_libraries
from host.printable import printable

if TYPE_CHECKING:
    import requests

DEADLINE_S: Final = 2.0
"""Seconds in all; a promotion waits for the slowest probe."""
LONGEST: Final = 16 * 1024
"""Bytes of a page that are read."""


def probe_site(subject: str, alias: str, address: str, marker: str | None, *, port: int = 80) -> ProbeResult:
    """Asks `address` for a Domino site, by the alias that scripts and people use.

    Args:
        subject: the machine that has the address.
        alias: sent as Host.
        marker: path whose answer names the machine; None: any answer will do.
    """
    # They take 60 ms to load, and many pairs have no site to ask.
    import requests
    import urllib3

    silence_http_libraries()
    host = f"[{address}]" if ":" in address else address
    url = f"http://{host}{'' if port == 80 else f':{port}'}{marker or '/'}"
    asked = f"{url} as {alias}"
    started = time.monotonic()

    def found(what: ProbeAnswer, words: str) -> ProbeResult:
        return ProbeResult(
            "http", subject, asked, what, f"{subject}'s site {alias} {words}", time.monotonic() - started
        )

    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy would answer for a dead machine
            headers = {"Host": alias, "User-Agent": "hotstandby", "Accept-Encoding": "identity"}
            with session.get(url, headers=headers, timeout=DEADLINE_S, stream=True, allow_redirects=False) as response:
                if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                    # A few bytes of it may stand for as many as memory holds.
                    return found(ProbeAnswer.ODD, "compressed its answer although told not to")
                page = _page(response, started + DEADLINE_S)
    except requests.exceptions.ConnectTimeout:
        return found(ProbeAnswer.SILENT, f"was silent for {DEADLINE_S:g} s")
    except requests.exceptions.ConnectionError as error:
        if "refused" in str(error):
            return found(ProbeAnswer.REFUSED, "refuses connections: the machine is alive, its web server is not")
        if error.args and isinstance(error.args[0], urllib3.exceptions.ProtocolError):
            return found(ProbeAnswer.ODD, "takes connections and closes them without an answer")
        return found(ProbeAnswer.SILENT, "cannot be reached")
    except (requests.exceptions.Timeout, TimeoutError):
        return found(ProbeAnswer.SILENT, f"took the connection and then was silent for {DEADLINE_S:g} s")
    except (requests.exceptions.RequestException, ValueError) as error:
        return found(ProbeAnswer.ODD, f"answers nonsense ({type(error).__name__})")
    if response.status_code >= 400:
        return found(ProbeAnswer.ODD, f"answers {response.status_code}")
    if marker is not None and subject.encode() not in page:
        shown = printable(page.decode("utf-8", "replace").strip(), 40)
        return found(ProbeAnswer.ODD, f"answers {response.status_code}, and not as {subject} ({shown or 'empty'})")
    return found(ProbeAnswer.YES, f"answers {response.status_code}" + (f" as {subject}" if marker is not None else ""))


def _page(response: requests.Response, until: float) -> bytes:
    """The beginning of the body; requests' timeout is for one read, and a server that drips would hold us for ever."""
    page = b""
    # Byte by byte: a larger part is handed over when it is full, however long that takes.
    for part in response.iter_content(1):
        page += part
        if len(page) >= LONGEST:
            break
        if time.monotonic() > until:
            raise TimeoutError
    return page[:LONGEST]
