"""Does a machine's web server answer, and is it that machine's own site?"""

from __future__ import annotations

import time
from typing import Final

from failover.probe_result import ProbeAnswer, ProbeResult
from host.http import (
    BodyCompressed,
    BodyTooLarge,
    ConnectionBroken,
    DeadlinePassed,
    HttpError,
    HttpRequest,
    NoAddress,
    NotConnected,
    escaped,
)
from host.printable import printable

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
    from host.http.client import HttpClient  # it takes 60 ms, and many pairs have no site to ask

    host = f"[{address}]" if ":" in address else address
    started = time.monotonic()

    def found(what: ProbeAnswer, words: str) -> ProbeResult:
        asked = f"http://{host}{'' if port == 80 else f':{port}'}{marker or '/'} as {alias}"
        return ProbeResult(
            "http", subject, asked, what, f"{subject}'s site {alias} {words}", time.monotonic() - started
        )

    try:
        client = HttpClient(f"http://{host}:{port}", host_header=alias, body_limit=LONGEST)
        response = client.exchange(HttpRequest(escaped(marker or "/")), started + DEADLINE_S)
    except BodyTooLarge as error:
        response = error.response
    except BodyCompressed:
        return found(ProbeAnswer.ODD, "compressed its answer although told not to")
    except DeadlinePassed as error:
        if error.sent:
            return found(ProbeAnswer.SILENT, f"took the connection and then was silent for {DEADLINE_S:g} s")
        return found(ProbeAnswer.SILENT, f"was silent for {DEADLINE_S:g} s")
    except NotConnected as error:
        if error.refused:
            return found(ProbeAnswer.REFUSED, "refuses connections: the machine is alive, its web server is not")
        return found(ProbeAnswer.SILENT, "cannot be reached")
    except NoAddress:
        return found(ProbeAnswer.SILENT, "cannot be reached")
    except ConnectionBroken:
        return found(ProbeAnswer.ODD, "takes connections and closes them without an answer")
    except HttpError:
        return found(ProbeAnswer.ODD, "answers nonsense")
    if response.status >= 400:
        return found(ProbeAnswer.ODD, f"answers {response.status}")
    if marker is not None and subject.encode() not in response.body:
        shown = printable(response.body.decode("utf-8", "replace").strip(), 40)
        return found(ProbeAnswer.ODD, f"answers {response.status}, and not as {subject} ({shown or 'empty'})")
    return found(ProbeAnswer.YES, f"answers {response.status}" + (f" as {subject}" if marker is not None else ""))
