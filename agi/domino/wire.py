"""How a request to Domino is put, and whether its response can be data at all."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote

from agi.domino.decoding import text_of
from agi.domino.errors import DominoFailing, DominoNotData, DominoRefused
from agi.domino.rows import Rows
from host.http import HttpRequest, HttpResponse
from host.printable import printable


class RequestForm(Protocol):
    """How a kind of request is put, and how its answer is read. No I/O."""

    def ask(self, key: str) -> HttpRequest:
        """The request for `key`."""

    def read(self, reply: HttpResponse, key: str) -> Rows:
        """The rows under `key`.

        Raises:
            DominoError: the reply did not pass every test that data passes.
        """


def path(*parts: str) -> str:
    """`parts` as one absolute path: slashes inside a part separate, everything else that is special is encoded."""
    return "/" + "/".join(quote(piece, safe="") for part in parts for piece in part.split("/") if piece)


def value(text: str) -> str:
    """`text` for one value of a query."""
    return quote(text, safe="")


def expect_success(reply: HttpResponse) -> None:
    """Passes a reply with status 200.

    Raises:
        DominoRefused, DominoFailing, DominoNotData
    """
    status = reply.status
    if status == 200:
        return
    if status in (401, 403):
        raise DominoRefused(
            f"Domino refuses this user ({status}). Check login, user and secret_file of the lookup. With session login "
            "on, Basic counts only where a Web Site rule says 'Override Session Authentication'"
        )
    if 300 <= status < 400:
        where = printable(reply.header("Location").partition("?")[0], 80)
        raise DominoNotData(
            f"Domino redirects ({status}) to {where}, which is not followed: "
            "it may lead to another machine. Check the database's 'Require SSL connection' and the site's rules"
        )
    if status >= 500:
        raise DominoFailing(f"Domino failed ({status}): {first_words(reply)}")
    raise DominoNotData(
        f"Domino answers {status}: {first_words(reply)}. Check the names of database, view, agent or service"
    )


def expect_type(reply: HttpResponse, *kinds: str) -> None:
    """Passes a reply of one of these content types.

    Raises:
        DominoNotData: also when it is a login page, of which no wording is known for sure.
    """
    if reply.content_type in kinds:
        return
    if reply.content_type == "text/html":
        raise DominoNotData(
            f"Domino sent a page instead of data, a login form or an error: {first_words(reply)}. "
            "Open the address in a browser as that user"
        )
    raise DominoNotData(f"Domino sent {printable(reply.content_type, 60) or 'no content type'} instead of {kinds[0]}")


def first_words(reply: HttpResponse) -> str:
    """What a page says, for one line of a log: its beginning without tags."""
    words: list[str] = []
    inside = False
    for character in text_of(reply)[:4000]:
        if character in "<>":
            inside = character == "<"
            words.append(" ")
        elif not inside:
            words.append(character)
    return printable(" ".join("".join(words).split()), 100) or "(an empty page)"
