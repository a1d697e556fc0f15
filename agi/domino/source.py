"""One question to Domino, from its form, its connections and its login; and those of [lookup.X].

Importing this imports requests.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from agi.domino.access_services import DominoCollection
from agi.domino.agents import DominoAgent
from agi.domino.errors import DominoNotData, DominoRefused
from agi.domino.http import DominoClient
from agi.domino.login import AnonymousLogin, BasicLogin, DominoLogin, DominoUser, Exchanges, SessionLogin
from agi.domino.rows import Rows
from agi.domino.views import DominoView
from agi.domino.web_services import WebServiceOperation
from agi.domino.wire import RequestForm
from host.places import Places
from pair.secret import read_secret

if TYPE_CHECKING:
    from pair.sections.lookup import Lookup

PAUSE_S: Final = 60.0
"""When a new login did not help, the login was not the reason; so long it is not tried again for this question."""


class DominoSource:
    """A LookupSource that asks a Domino web server.

    Other servers, such as the Domino REST API with its own port and tokens, are other Forms and Logins, or another
    class with the same `fetch`.
    """

    def __init__(self, form: RequestForm, http: Exchanges, login: DominoLogin) -> None:
        self._form = form
        self._http = http
        self._login = login
        self._login_helps_after = 0.0

    def fetch(self, key: str, deadline: float) -> Rows:
        """See agi.domino.rows.LookupSource. A session that ran out is renewed once, by the same deadline."""
        ask = self._form.ask(key)
        headers = self._login.headers(deadline)
        try:
            return self._form.read(self._http.exchange(ask.with_headers(headers), deadline), key)
        except (DominoNotData, DominoRefused):
            if time.monotonic() < self._login_helps_after or not self._login.renew(headers, deadline):
                raise
        try:
            headers = self._login.headers(deadline)
            return self._form.read(self._http.exchange(ask.with_headers(headers), deadline), key)
        except (DominoNotData, DominoRefused):
            self._login_helps_after = time.monotonic() + PAUSE_S
            raise


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
        return DominoSource(form_of(lookup), http, login)

    def close(self) -> None:
        """Closes all idle connections."""
        for http in self._https.values():
            http.close()

    def _login(self, lookup: Lookup, http: DominoClient) -> DominoLogin:
        if lookup.login == "none" or lookup.secret_file is None:
            return AnonymousLogin()
        user = DominoUser(lookup.user or "", read_secret(self._places, lookup.secret_file))
        return BasicLogin(user) if lookup.login == "basic" else SessionLogin(user, http)


def form_of(lookup: Lookup) -> RequestForm:
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
