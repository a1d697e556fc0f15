"""What is wrong with a pair.toml, said so that it can be mended: key path, value, what is allowed."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from host.printable import printable

MOST: Final = 100
"""Problems that are told; finding the nearest known key for each of 100,000 would take minutes."""

_OWN_TEMPLATE: Final = (
    " An option of Asterisk's that has no key here goes into a template of your own, in place of ours: copy "
    "asterisk/pjsip-registrations.conf.j2 to /etc/hotstandby/templates/asterisk/ and add it there "
    "(docs/reference/localized.md)."
)
_SECRET = re.compile(r"pass?wor|secret$|passw|token$|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend.

    Attributes:
        key: path of the key, such as "trunks.acme.channel"; empty for the file as a whole.
        message: what is wrong and what is allowed.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


def nearest(word: str, known: Iterable[str]) -> str:
    """ " Did you mean 'x'?" with the nearest of `known`, or nothing."""
    import difflib  # after a mistake alone

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def problems_of(error: ValidationError, model: type[BaseModel], prefix: tuple[str, ...] = ()) -> list[Problem]:
    """pydantic's findings in our words.

    Args:
        error: of validating `model`.
        model: whose keys are suggested for unknown ones.
        prefix: where in the file `model` stands.
    """
    details = error.errors(include_url=False)
    found = [_problem(detail, model, prefix) for detail in details[:MOST]]
    if len(details) > MOST:
        found.append(Problem("", f"has {len(details) - MOST} more problems; mend these first."))
    return found


def _problem(detail: Any, model: type[BaseModel], prefix: tuple[str, ...]) -> Problem:
    location = tuple(str(part) for part in detail["loc"])
    key = ".".join((*prefix, *(printable(part) for part in location)))
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        # The value is not shown: an unknown key may well be a secret put into the wrong file.
        if _SECRET.search(location[-1]) and "secret_file" in known:
            return Problem(
                key,
                "is not a known key. Secrets never stand here: write it into a file of secrets/ named by secret_file.",
            )
        close = nearest(location[-1], known)
        template = "" if close or "second_registration" not in known else _OWN_TEMPLATE
        return Problem(key, f"is not a known key.{close}{template}")
    if kind == "missing":
        return Problem(key, "is missing, and is needed.")
    allowed = str(detail["msg"]).removeprefix("Value error, ")
    value = detail.get("input")
    if isinstance(value, dict | list | tuple) or value is None:
        return Problem(key, f"{allowed}.")
    return Problem(key, f"is {_shown(value)}. Allowed: {allowed.removeprefix('Input should be ')}.")


def _shown(value: Any) -> str:
    try:
        return printable(repr(value), 80)
    except ValueError:
        # An integer of more digits than str() gives (sys.set_int_max_str_digits); written as 0x…, TOML takes it.
        return "a number of thousands of digits"


def _keys_at(model: type[BaseModel], location: tuple[str, ...]) -> list[str]:
    annotation: Any = model
    for part in location:
        annotation = _inside(annotation, part)
        if annotation is None:
            return []
    section = _section(annotation)
    if section is None:
        return []
    return [field.alias or name for name, field in section.model_fields.items() if not field.exclude]


def _inside(annotation: Any, part: str) -> Any:
    section = _section(annotation)
    if section is not None:
        for name, field in section.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
        return None
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        found = (_inside(one, part) for one in arguments if one is not type(None))
        return next((one for one in found if one is not None), None)
    if origin is dict:
        return arguments[1]
    if origin in (tuple, list):
        return arguments[0]
    if origin is typing.Annotated:
        return _inside(arguments[0], part)
    return None


def _section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (dict, tuple, list):
        return None  # the next part of the location is a name or a number
    for one in typing.get_args(annotation):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None
