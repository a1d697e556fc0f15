"""Keeps secrets out of journals, messages and progress."""

from __future__ import annotations

import base64
import json
import threading
from typing import Final
from urllib.parse import quote, quote_plus

SHOWN: Final = "***"

SHORTEST: Final = 4
"""Characters; anything shorter would blot out half of every sentence, and protects nothing."""


class Mask:
    """Replaces every secret that it was told about, in each spelling in which one travels.

    Whoever reads a secret tells the mask before using it.
    """

    def __init__(self) -> None:
        self._spellings: frozenset[str] = frozenset()
        self._telling = threading.Lock()

    def hide(self, secret: str) -> None:
        """From now on `secret` is masked: plain, URL-quoted, in JSON, and Base64-coded."""
        if len(secret) < SHORTEST:
            return
        coded = base64.b64encode(secret.encode()).decode("ascii")
        spellings = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], coded}
        with self._telling:
            self._spellings |= spellings

    def hide_login(self, user: str, secret: str) -> None:
        """Also masks what HTTP Basic (RFC 7617 §2) makes of the two."""
        self.hide(secret)
        self.hide(f"{user}:{secret}")

    def __call__(self, text: str) -> str:
        """`text` without any of the secrets."""
        for spelling in sorted(self._spellings, key=len, reverse=True):
            text = text.replace(spelling, SHOWN)
        return text
