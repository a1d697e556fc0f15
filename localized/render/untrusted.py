"""Text from outside, and sections of pair.toml whose free text is such: no template prints it without a filter."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from pydantic import AfterValidator, BaseModel

_FREE: Final = frozenset({"_line", "_absolute", "_relative"})
"""Validators of pair.fields and pair.sync that let any printable character pass; all others allow harmless ones."""


class Untrusted(str):
    """Text that was chosen outside of this project.

    Attributes:
        label: what it is, for errors: "the secret of trunk acme".
        hidden: it is a secret, and no error shows it.
    """

    __slots__ = ("hidden", "label")
    label: str
    hidden: bool

    def __new__(cls, text: str, label: str, *, hidden: bool = False) -> Untrusted:
        """The text with its label."""
        made = super().__new__(cls, text)
        made.label = label
        made.hidden = hidden
        return made


class UntrustedSection:
    """A section whose free text comes out as Untrusted; everything else as it is."""

    __slots__ = ("_label", "_section")

    def __init__(self, section: BaseModel, label: str) -> None:
        self._section = section
        self._label = label

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._section, name)
        free = name in _free_fields(type(self._section))
        return untrusted(value, f"{self._label} {name.rstrip('_')}", free=free)

    def __repr__(self) -> str:
        return f"<{self._label}>"


def untrusted(value: Any, label: str, *, free: bool = False) -> Any:
    """`value` with every free text in it untrusted.

    Args:
        value: a section, or what stands in one.
        label: for errors, such as "[people]".
        free: a string here is free text.
    """
    if isinstance(value, BaseModel):
        return UntrustedSection(value, label)
    if isinstance(value, dict):
        return {key: untrusted(one, f"{label} {key}", free=free) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return tuple(untrusted(one, label, free=free) for one in value)
    if free and type(value) is str:
        return Untrusted(value, label)
    return value


@cache
def _free_fields(section: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, field in section.model_fields.items() if _is_free(field.annotation, field.metadata))


def _is_free(annotation: Any, metadata: Any) -> bool:
    validators = [entry for entry in metadata if isinstance(entry, AfterValidator)]
    validators += [entry for entry in getattr(annotation, "__metadata__", ()) if isinstance(entry, AfterValidator)]
    if any(getattr(entry.func, "__name__", "") in _FREE for entry in validators):
        return True
    return any(_is_free(inner, ()) for inner in getattr(annotation, "__args__", ()))
