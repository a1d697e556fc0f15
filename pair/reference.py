"""The page that explains every key of pair.toml, made from the models that read it: `python -m pair.reference`."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pair.model import Pair

_HEAD = """\
# pair.toml
One file describes the pair; it is the same, byte for byte, on both machines. `render-localized --check` reads it and
tells every problem at once. Durations carry their unit in the key: `_s` seconds, `_ms` milliseconds. Secrets never
stand in it, only names of files under `secrets/`. A file that was valid is kept; after a bad edit it serves on, loudly.

This page is made from the code that reads the file: `python -m pair.reference > docs/reference/pair.md`.
"""

_PLACES = {name: f"{name}.NAME" for name in ("machines", "trunks", "carriers", "lookup")}

_WORDS = {
    "checked_name": "name",
    "_address": "address",
    "_network": "network",
    "_domain": "domain name",
    "_host": "host name or address",
    "_section_name": "name of a section of Asterisk's",
    "_proxy": "SIP URI with ;lr",
    "_uri_parameters": "URI parameters",
    "_secret_file": "file in secrets/",
    "_absolute": "absolute path",
    "_line": "text",
}
"""What pair.fields' validators allow, in a word."""


def page() -> str:
    """The whole page, Markdown."""
    parts = [_HEAD]
    for name, field in Pair.model_fields.items():
        if not field.exclude:
            parts.extend(_sections(_PLACES.get(name, name), field.annotation))
    return "\n".join(parts)


def _sections(title: str, annotation: Any) -> list[str]:
    """The table of a section, then those of the sections inside it."""
    model = _model(annotation)
    if model is None:
        return []
    said = " ".join(inspect.cleandoc(model.__doc__ or "").split())
    header = f"[[{title}]]" if typing.get_origin(annotation) is tuple else f"[{title}]"
    lines = [f"## `{header}`", said, "", "| key | value | default | meaning |", "|---|---|---|---|"]
    inner: list[str] = []
    meanings = _meanings(model)
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        key = field.alias or name
        nested = _model(field.annotation)
        if nested is not None and nested is not model:
            by_name = typing.get_origin(field.annotation) is dict
            where = f"{title}.{key}.NAME" if by_name else f"{title}.{key}"
            inner.extend(_sections(where, field.annotation))
            lines.append(f"| `{key}` | table, below | {_default(field, nested)} | {_text(meanings.get(name, ''))} |")
        else:
            lines.append(f"| `{key}` | {_kind(field)} | {_default(field, None)} | {_text(meanings.get(name, ''))} |")
    return ["\n".join(lines) + "\n", *inner]


def _model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for one in typing.get_args(annotation):
        found = _model(one)
        if found is not None:
            return found
    return None


def _kind(field: FieldInfo) -> str:
    bounds = []
    for rule in field.metadata:
        for sign, attribute in (("≥", "ge"), (">", "gt"), ("≤", "le"), ("<", "lt")):
            bound = getattr(rule, attribute, None)
            if bound is not None:
                bounds.append(f"{sign} {bound:g}")
    kind = next((word for rule in field.metadata if (word := _word(rule))), _name(field.annotation))
    return f"{kind}, {', '.join(bounds)}" if bounds else kind


def _word(rule: object) -> str | None:
    return _WORDS.get(getattr(getattr(rule, "func", None), "__name__", ""))


def _name(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(f'`"{choice}"`' if isinstance(choice, str) else f"`{choice}`" for choice in arguments)
    if origin is typing.Annotated:
        return next((word for rule in arguments[1:] if (word := _word(rule))), None) or _name(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_name(one) for one in arguments if one is not type(None))
    if origin in (tuple, list):
        return f"list of {_name(arguments[0])}"
    if origin is dict:
        inside = _name(arguments[1])
        return f"table: name = {inside}"
    known = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return known.get(annotation, "any")


def _default(field: FieldInfo, nested: type[BaseModel] | None) -> str:
    if field.is_required():
        return "needed"
    if nested is not None:
        return ""
    value = field.default if field.default is not PydanticUndefined else None
    if value is None or value in ((), ""):
        return ""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, tuple):
        return "`" + repr(list(value)).replace("'", '"') + "`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """What the text below each field says."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in itertools.pairwise(body.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found


def _text(meaning: str) -> str:
    return " ".join(meaning.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
