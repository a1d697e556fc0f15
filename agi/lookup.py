"""AGI(lookup.py[,NAME][,KEY …]): what Domino knows about this call, as channel variables.

LOOKUP_STATUS is set last, whatever happened, so that the dialplan can tell. See docs/reference/lookups.md.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from agi.lookups.answer import LookupAnswer, LookupStatus
from agi.protocol.errors import CommandRefused, LateError
from host.printable import printable
from pair.sections.lookup import STATUS

if TYPE_CHECKING:
    from agi.lookups.resolver import LookupResolver
    from agi.protocol.call import Call
    from agi.script import Services

log = logging.getLogger(__name__)

RESTARTABLE: Final = True
"""A cached answer needs no waiting: agi-server starts this on its event loop."""
_USUAL: Final = "caller"
"""The lookup that is meant when the dialplan names none."""
_NUMBER: Final = re.compile(r"(?:tel:)?[+(]{0,2}[0-9][0-9 ()./*#-]*(?:;.*)?", re.IGNORECASE | re.DOTALL)
"""A telephone number, or the digits that somebody keyed in: what can stand where a lookup's name is left out."""
_LEFT_S: Final = 0.1
"""Kept of the session's time for setting the variables."""


def run(call: Call, services: Services) -> None:
    """Looks the call up, and fails open: an Asterisk that gets no answer still gets LOOKUP_STATUS."""
    try:
        answer = _answer(call, services)
    except LateError as late:
        answer = LookupAnswer(LookupStatus.TIMEOUT, reason=str(late))
    except Exception as error:
        log.exception("the lookup broke; the call goes on without it")
        answer = LookupAnswer(LookupStatus.ERROR, reason=f"{type(error).__name__}, see the log of hotstandby")
    for name, value in answer.variables.items():
        try:
            call.set_variable(name, value)
        except CommandRefused as refused:
            log.warning("%s was not set: %s", name, printable(str(refused)))
    if answer.reason:
        log.info("%s: %s %s", printable(call.environment.uniqueid), answer.status.value, printable(answer.reason, 400))
    call.set_variable(STATUS, answer.status.value)


def _answer(call: Call, services: Services) -> LookupAnswer:
    lookups: LookupResolver = services.lookups
    environment = call.environment
    name, arguments = _named(environment.arguments, lookups.names)
    if name is None:
        known = ", ".join(lookups.names) or "none"
        given = f" '{printable(environment.arguments[0].strip(), 60)}'" if environment.arguments else ""
        return LookupAnswer(
            LookupStatus.ERROR,
            reason=f"AGI(lookup.py,NAME) names no [lookup.NAME] of pair.toml:{given or ' no name is given'}; "
            f"there are: {known}",
        )
    question = lookups[name]
    if environment.tampered is not None:
        return question.answer(LookupStatus.TAMPERED, reason=environment.tampered)
    key = question.key_of(environment, arguments)
    cached = lookups.cached(name, key)
    if cached is not None:
        return cached
    call.before_waiting()
    return lookups.find(name, key, call.deadline - _LEFT_S, handed_over=call.handed_over)


def _named(arguments: tuple[str, ...], names: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Which lookup is meant, and the arguments that are left for its key; None if that is not clear.

    Blanks around an argument are the dialplan's, not the name's. Where the name is left out, the first argument is the
    key, which then has to be a number: any other word is a name that is misspelt, and must not ask another lookup.
    """
    first = arguments[0].strip() if arguments else ""
    if first in names:
        return first, arguments[1:]
    if first and not _NUMBER.fullmatch(first):
        return None, arguments
    left = arguments if first else arguments[1:]
    if _USUAL in names:
        return _USUAL, left
    return (names[0] if len(names) == 1 else None), left
