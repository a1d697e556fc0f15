"""A carrier's API as data: what a file of templates/carriers/ may say, and how its templates are filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Final, Literal
from urllib.parse import quote

from pydantic import Field, ValidationError, model_validator

from host.errors import UsageError
from host.file_reading import read_file
from host.ownership import open_to_others
from host.places import Places
from host.printable import printable
from pair.fields import Line, Section
from pair.reading import read_toml
from pair.sections.carrier import Carrier
from pair.telephone import CarrierSpelling, international

_PLACE: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_PART: Final = re.compile(r"([A-Za-z0-9_@$-]+)(\?)?|\[(\d{1,6})\]|\[([A-Za-z0-9_@$-]+)=([^\]]*)\]|\.")
_NUMBER: Final = "{number}"


class PresetUnusable(UsageError):
    """A preset, or what pair.toml gives it, does not fit."""


class ValueMissing(Exception):
    """The answer does not hold what was looked for; the text says what."""


class RequestTemplate(Section):
    """One request, as a template."""

    method: Literal["GET", "POST", "PUT", "PATCH"]
    path: Line
    query: dict[str, str] = Field(default_factory=dict)
    form: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] = Field(default_factory=dict, alias="json")
    take: dict[str, Line] = Field(default_factory=dict)
    """Name -> where in the answer it stands."""


class LoginTemplate(Section):
    """How a request shows who we are."""

    kind: Literal["bearer", "basic", "header", "query"]
    user: str = "{account}"
    header: dict[str, str] = Field(default_factory=dict)
    query: dict[str, str] = Field(default_factory=dict)


class AnswerForm(Section):
    """How the carrier says that something went wrong."""

    status: Line | None = None
    """Where a status stands in answers with HTTP 200."""
    good: tuple[Line, ...] = ()
    """What that status is when all is well."""
    limited: tuple[Line, ...] = ()
    """Statuses that mean: too many requests, nothing was done."""
    error: Line | None = None
    """Where an error stands that may come with HTTP 200; nothing is there when all is well."""
    code: Line | None = None
    """Where an error's code stands."""
    words: tuple[Line, ...] = ()
    """Where its words stand."""
    meaning: dict[str, Line] = Field(default_factory=dict)
    """Status or code -> what it means and what to do."""


class Preset(Section):
    """A carrier's API."""

    title: Line
    base: Line
    number: CarrierSpelling = "e164"
    shape: Literal["pointer", "switches"] = "pointer"
    """pointer: a number points at a route; switches: each machine's route is switched on or off."""
    needs: tuple[Line, ...] = ()
    login: LoginTemplate
    read: RequestTemplate
    set: RequestTemplate
    answer: AnswerForm = AnswerForm()

    @model_validator(mode="after")
    def _complete(self) -> Preset:
        if "now" not in self.read.take:
            raise ValueError("read.take.now is missing: where the present route stands in the answer")
        form = self.answer
        for expression in (*self.read.take.values(), *form.words, form.status, form.error, form.code):
            if expression is not None:
                list(parts(expression))
        for request in (self.read, self.set):
            for text in _strings([request.path, request.query, request.form, request.body]):
                if "secret" in _PLACE.findall(text):
                    raise ValueError("{secret} may stand in login alone")
        return self


def load_preset(places: Places, name: str) -> Preset:
    """The preset of that name: the admin's own, else ours.

    Raises:
        PresetUnusable
    """
    own = places.templates / "carriers" / f"{name}.toml"
    try:
        if own.is_file():
            against = open_to_others(own)
            if against:
                raise PresetUnusable(
                    f"The preset {own} is not used, because it says where the carrier's secret is sent: {against}"
                )
            text, where = read_file(own).decode("utf-8"), str(own)
        else:
            ours = resources.files("templates") / "carriers" / f"{name}.toml"
            text, where = ours.read_text(encoding="utf-8"), f"the preset {name}"
        return Preset.model_validate(read_toml(text))
    except FileNotFoundError:
        raise PresetUnusable(
            f"There is no carrier preset '{name}'. Ours are {', '.join(ours_named())}; yours go to {own.parent}"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        key = printable(".".join(str(part) for part in first["loc"]))
        raise PresetUnusable(f"{where}: {key or 'the file'}: {printable(first['msg'])}") from None
    except OSError as error:
        raise PresetUnusable(f"{own} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise PresetUnusable(f"{own} is not TOML: {error}.") from None


def ours_named() -> list[str]:
    """Names of the presets that come with hotstandby, and "manual"."""
    found = (resources.files("templates") / "carriers").iterdir()
    return sorted([file.name.removesuffix(".toml") for file in found if file.name.endswith(".toml")] + ["manual"])


def check_fit(name: str, carrier: Carrier, preset: Preset) -> None:
    """Whether pair.toml gives all that the preset needs.

    Raises:
        PresetUnusable: with every missing key.
    """
    given = {f"values.{key}" for key in carrier.values} | {key for key, value in carrier if value}
    missing = [need for need in preset.needs if need not in given]
    if preset.shape == "pointer" and not carrier.dids:
        missing.append("dids")
    if not carrier.routes:
        missing.append("routes")
    if missing:
        keys = ", ".join(f"carriers.{name}.{key}" for key in missing)
        raise PresetUnusable(f"{preset.title} needs {keys} in pair.toml.")


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its values, for places that escape by themselves (form, query, JSON).

    Raises:
        PresetUnusable: a name that is not known.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            known = ", ".join(sorted(values))
            raise PresetUnusable(f"'{{{match[1]}}}' in a carrier preset is not known; known: {known}")
        return values[match[1]]

    return _PLACE.sub(value, template)


def filled_path(template: str, values: Mapping[str, str]) -> str:
    """A path with its values, each percent-encoded whole, so that none can leave its segment.

    Raises:
        PresetUnusable: a value that is empty or a dot segment, which would change the path.
    """
    for name in _PLACE.findall(template):
        if values.get(name, "x") in ("", ".", ".."):
            raise PresetUnusable(f"'{values[name]}' cannot be the {name} in a path.")
    return filled(template, {name: quote(value, safe="") for name, value in values.items()})


def filled_json(template: Any, values: Mapping[str, str]) -> Any:
    """JSON with its values: they stay strings, whatever they hold."""
    if isinstance(template, str):
        return filled(template, values)
    if isinstance(template, Mapping):
        return {key: filled_json(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled_json(value, values) for value in template]
    return template


def parts(expression: str) -> Iterator[re.Match[str]]:
    """The parts of an expression such as `dids[did={number}].routing`, or `route?.id`, where route may be null.

    Raises:
        ValueError
    """
    at = 0
    while at < len(expression):
        found = _PART.match(expression, at)
        if not found:
            raise ValueError(f"'{expression}' is not names, dots, [0] and [key=value]")
        yield found
        at = found.end()


def taken(answer: Any, expression: str, values: Mapping[str, str]) -> str:
    """The value at that place of an answer, as text; "" where null stands at a name that may be null.

    Raises:
        ValueMissing: it is not there, or stands there more than once.
    """
    here = answer
    for part in parts(expression):
        name, may_be_null, index, key, wanted = part.groups()
        if name is not None:
            if not isinstance(here, Mapping) or name not in here:
                raise ValueMissing(f"no '{name}' ({expression})")
            here = here[name]
            if here is None and may_be_null:
                return ""
        elif index is not None:
            if not isinstance(here, list) or int(index) >= len(here):
                raise ValueMissing(f"no entry {index} ({expression})")
            here = here[int(index)]
        elif key is not None:
            sought = filled(wanted, values)
            same = _same_number if wanted == _NUMBER else str.__eq__
            entries = [here] if isinstance(here, Mapping) else here if isinstance(here, list) else []
            found = [entry for entry in entries if isinstance(entry, Mapping) and same(_text(entry.get(key)), sought)]
            if len(found) != 1:
                raise ValueMissing(f"{len(found)} entries with {key} {sought}, one is needed")
            here = found[0]
    if isinstance(here, Mapping | list):
        raise ValueMissing(f"no single value ({expression})")
    return _text(here)


def _same_number(one: str, other: str) -> bool:
    """Whether two spellings are of one number: an API may answer 15551234567 or +1 555 123 4567 to 5551234567."""
    return one == other or (international(one) or one) == (international(other) or other)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
