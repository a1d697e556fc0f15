"""[lookup.X] as a source at Domino. Importing this imports requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi.domino.access_services import Collection
from agi.domino.agents import Agent
from agi.domino.http import DominoClient
from agi.domino.login import Anonymous, Basic, Login, Session, User
from agi.domino.source import DominoSource
from agi.domino.views import View
from agi.domino.web_services import Operation
from agi.domino.wire import Form
from host.places import Places
from pair.secret import read_secret

if TYPE_CHECKING:
    from pair.sections.lookup import Lookup


def form(lookup: Lookup) -> Form:
    """The form of its requests. pair.lookup has seen to it that what this kind needs is there."""
    database = lookup.database
    if lookup.request == "agent":
        return Agent(database, lookup.agent or "", lookup.argument or "", lookup.output or "json")
    if lookup.request == "web-service":
        return Operation(
            database, lookup.service or "", lookup.namespace or "", lookup.operation or "", lookup.argument or ""
        )
    if lookup.request == "access-services":
        return Collection(database, lookup.view or "", lookup.key_column)
    return View(database, lookup.view or "", lookup.key_column, "xml" if lookup.request == "view-xml" else "json")


class Sites:
    """Connections and logins, shared by the lookups that use the same ones.

    Args:
        keep: idle connections to keep for each site; 0 for a process that asks once.
    """

    def __init__(self, places: Places, *, keep: int) -> None:
        self._places = places
        self._keep = keep
        self._https: dict[tuple[str | None, ...], DominoClient] = {}
        self._logins: dict[tuple[str | None, ...], Login] = {}

    def source(self, lookup: Lookup) -> DominoSource:
        """The source of `lookup`.

        Raises:
            SecretUnusable
            Refused: name or password cannot be sent.
        """
        where = (lookup.base_url, lookup.host_header, lookup.tls_host_name, lookup.tls_ca_file)
        http = self._https.get(where)
        if http is None:
            http = self._https.setdefault(
                where,
                DominoClient(
                    lookup.base_url,
                    host_header=lookup.host_header,
                    keep=self._keep,
                    tls_host_name=lookup.tls_host_name,
                    tls_ca_file=lookup.tls_ca_file,
                ),
            )
        who = (*where, lookup.login, lookup.user, lookup.secret_file)
        login = self._logins.get(who)
        if login is None:
            login = self._logins.setdefault(who, self._login(lookup, http))
        return DominoSource(form(lookup), http, login)

    def close(self) -> None:
        """Closes all idle connections."""
        for http in self._https.values():
            http.close()

    def _login(self, lookup: Lookup, http: DominoClient) -> Login:
        if lookup.login == "none" or lookup.secret_file is None:
            return Anonymous()
        user = User(lookup.user or "", read_secret(self._places, lookup.secret_file))
        return Basic(user) if lookup.login == "basic" else Session(user, http)
