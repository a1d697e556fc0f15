"""Proof that the alias of Domino reaches this machine's own site, and not the other machine's or a default one.

A name that no site knows lets the address decide which site answers, so a wrong line in /etc/hosts is silent: the
lookups work, and answer from the wrong machine until that one is gone. The marker is a document that says whose site
it is; a server's name, an address or the machine's name will do, docs/reference/domino.md shows how to make one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from agi.domino import views
from agi.domino.errors import DominoError
from agi.domino.rows import Rows
from agi.domino.wire import expect_success
from host.http import HttpRequest, HttpResponse
from host.printable import printable

if TYPE_CHECKING:
    from agi.domino.http import DominoClient
    from pair.model import Pair

log = logging.getLogger(__name__)

EVERY_S: Final = 60.0
"""/etc/hosts changes by hand and by promotions; within a minute it shows."""
DEADLINE_S: Final = 3.0
"""For one site. No call waits for it."""


@dataclass(frozen=True, slots=True)
class ExpectedSite:
    """What one alias has to reach on this machine.

    Attributes:
        machine: this one's name.
        addresses: of the site on each machine, this one included.
        marker: path and query; None: only the address can be compared.
    """

    alias: str
    machine: str
    addresses: Mapping[str, str]
    marker: str | None


@dataclass(frozen=True, slots=True)
class MarkerFinding:
    """What a check found.

    Attributes:
        ok: True: it is this machine's own site. False: it is not. None: nobody knows, Domino did not say.
        said: one sentence for people.
        at: when, time.monotonic() seconds.
    """

    ok: bool | None
    said: str
    at: float


def judged(expected: ExpectedSite, reached: tuple[str, ...], rows: Rows | None) -> tuple[bool, str]:
    """Whether these addresses and this answer are the right site's, and in words.

    Args:
        reached: what the system says the alias means.
        rows: the marker's; None when there is no marker to ask.
    """
    alias, machine = expected.alias, expected.machine
    own = expected.addresses.get(machine)
    mend = "Mend /etc/hosts; `render-localized --diff` shows what belongs there"
    wrong = [address for address in reached if address != own]
    if own is not None and wrong:
        whose = next((name for name, address in expected.addresses.items() if address == wrong[0]), None)
        return False, (
            f"{alias} means {wrong[0]} here{f', which is {whose}' if whose else ''}; on {machine} it is {own}. {mend}"
        )
    if rows is None:
        return True, f"{alias} means {own or ', '.join(reached)}; no marker is configured that would prove more"
    said = {_bare(value) for row in rows for values in row.columns.values() for value in values}
    names = {name.casefold(): name for name in expected.addresses}
    owners = {names[one] for one in said if one in names}
    owners |= {name for name, address in expected.addresses.items() if address in said}
    if owners == {machine}:
        return True, f"{alias} reaches {machine}'s own site"
    if owners:
        return False, f"{alias} reaches the site of {' and '.join(sorted(owners))}, and this is {machine}. {mend}"
    shown = printable(", ".join(sorted(said)), 80) or "nothing"
    return False, f"{alias}: the marker names no machine of this pair, it says: {shown}. See docs/reference/domino.md"


def _bare(value: str) -> str:
    """`CN=Boston/O=Acme` and `Boston/Acme` are the server Boston."""
    return value.strip().partition("/")[0].removeprefix("CN=").removeprefix("cn=").casefold()


class MarkerChecker:
    """Checks every alias at the start and then regularly.

    Attributes:
        every_s: seconds from one round to the next.
    """

    def __init__(self, pair: Pair, machine: str, *, every_s: float = EVERY_S, deadline_s: float = DEADLINE_S) -> None:
        self.every_s = every_s
        self._deadline_s = deadline_s
        self._expected = [
            ExpectedSite(alias, machine, site.addresses, site.marker) for alias, site in pair.domino.sites.items()
        ]
        self._lookups = {lookup.site: lookup for lookup in pair.lookup.values()}
        self._state: Mapping[str, MarkerFinding] = MappingProxyType({})
        self._ending = threading.Event()

    @property
    def state(self) -> Mapping[str, MarkerFinding]:
        """By alias, what was found last; empty before the first round."""
        return self._state

    @property
    def ok(self) -> bool:
        """Whether no alias is known to reach a wrong site."""
        return all(finding.ok is not False for finding in self._state.values())

    def check(self) -> Mapping[str, MarkerFinding]:
        """One round. Blocks, deadline_s for each alias at most."""
        found = {expected.alias: self._checked(expected) for expected in self._expected}
        for alias, finding in found.items():
            before = self._state.get(alias)
            if (before is None or before.ok is not finding.ok) and not (before is None and finding.ok):
                log.log(logging.INFO if finding.ok else logging.WARNING, "%s", finding.said)
        self._state = MappingProxyType(found)
        return found

    def start(self) -> None:
        """Checks now and from then on, in a thread."""
        threading.Thread(target=self._run, name="marker", daemon=True).start()

    def close(self) -> None:
        """No more checks."""
        self._ending.set()

    def _run(self) -> None:
        while True:
            try:
                self.check()
            except Exception:
                log.exception("the marker check broke; it is tried again in %g s", self.every_s)
            if self._ending.wait(self.every_s):
                return

    def _checked(self, expected: ExpectedSite) -> MarkerFinding:
        try:
            ok, said = self._asked(expected)
        except (DominoError, OSError) as error:
            return MarkerFinding(None, f"{expected.alias}: whose site it is cannot be seen: {error}", time.monotonic())
        return MarkerFinding(ok, said, time.monotonic())

    def _asked(self, expected: ExpectedSite) -> tuple[bool, str]:
        from host.http.deadline import resolve

        deadline = time.monotonic() + self._deadline_s
        reached = tuple(dict.fromkeys(address[0] for _, address in resolve(expected.alias, 80, self._deadline_s)))
        if expected.marker is None:
            return judged(expected, reached, None)
        reply = self._http(expected.alias).exchange(HttpRequest(expected.marker), deadline)
        return judged(expected, reached, _rows(reply))

    def _http(self, alias: str) -> DominoClient:
        """The site as the lookups ask it: same port, same Host header."""
        from agi.domino.http import DominoClient

        lookup = self._lookups.get(alias)
        if lookup is None:
            return DominoClient(f"http://{alias}:80")
        return DominoClient(
            lookup.base_url,
            host_header=lookup.host_header,
            tls_host_name=lookup.tls_host_name,
            tls_ca_file=lookup.tls_ca_file,
        )


def _rows(reply: HttpResponse) -> Rows:
    """The marker view's rows, whichever way it was asked.

    Raises:
        DominoError
    """
    expect_success(reply)
    return views.read(reply, "json" if "json" in reply.content_type else "xml")
