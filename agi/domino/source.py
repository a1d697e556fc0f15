"""A question to Domino, from its form, its transport and its login."""

from __future__ import annotations

import time
from typing import Final

from agi.domino.errors import DominoNotData, DominoRefused
from agi.domino.login import DominoLogin, Exchanges
from agi.domino.rows import Rows
from agi.domino.wire import RequestForm

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
