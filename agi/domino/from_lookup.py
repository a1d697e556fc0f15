"""[lookup.X] as a source at Domino. Importing this imports requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi.domino.access_services import DominoCollection
from agi.domino.agents import DominoAgent
from agi.domino.http import DominoClient
from agi.domino.login import AnonymousLogin, BasicLogin, DominoLogin, DominoUser, SessionLogin
from agi.domino.source import DominoSource
from agi.domino.views import DominoView
from agi.domino.web_services import WebServiceOperation
from agi.domino.wire import RequestForm
from host.places import Places
from pair.secret import read_secret

if TYPE_CHECKING:
    from pair.sections.lookup import Lookup


def form(lookup: Lookup) -> RequestForm:
    """The form of its requests. pair.lookup has seen to it that what this kind needs is there."""
    database = lookup.database
    if lookup.request == "agent":
        return DominoAgent(database, lookup.agent or "", lookup.argument or "", lookup.output or "json")
    if lookup.request == "web-service":
        return WebServiceOperation(
            database, lookup.service or "", lookup.namespace or "", lookup.operation or "", lookup.argument or ""
        )
    if lookup.request == "access-services":
        return DominoCollection(database, lookup.view or "", lookup.key_column)
    return DominoView(database, lookup.view or "", lookup.key_column, "xml" if lookup.request == "view-xml" else "json")


class DominoSites:
    """Connections and logins, shared by the lookups that use the same ones.

    Args:
        keep: idle connections to keep for each site; 0 for a process that asks once.
    """

    def __init__(self, places: Places, *, keep: int) -> None:
        self._places = places
        self._keep = keep
        self._https: dict[tuple[str | None, ...], DominoClient] = {}
        self._logins: dict[tuple[str | None, ...], DominoLogin] = {}

    def source(self, lookup: Lookup) -> DominoSource:
        """The source of `lookup`.

        Raises:
            SecretUnusable
            DominoRefused: name or password cannot be sent.
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

    def _login(self, lookup: Lookup, http: DominoClient) -> DominoLogin:
        if lookup.login == "none" or lookup.secret_file is None:
            return AnonymousLogin()
        user = DominoUser(lookup.user or "", read_secret(self._places, lookup.secret_file))
        return BasicLogin(user) if lookup.login == "basic" else SessionLogin(user, http)
