"""What named.conf says of a zone, as `named-checkconf -p` prints it: includes expanded, and nothing else resolved.

Options are inherited from `options` and the view, lists of primaries go by name, old words stand for new ones (BIND
ARM, "Configuration Reference"). Values and rules, no I/O.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pair.named_grammar import Statement, parse

_KINDS: Final = {"master": "primary", "slave": "secondary"}
_LISTS: Final = ("primaries", "masters", "remote-servers")
_DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class ZoneStatement:
    """A zone as named takes it.

    Attributes:
        name: in small letters, without the final dot.
        view: the view that it stands in; empty outside of views.
        kind: primary, secondary, or another of BIND's words.
        file: where the zone is kept; None for none.
        raw: whether named expects that file in raw format: BIND's default for secondaries.
        primaries: addresses that a secondary asks, in order, lists by name resolved.
        unresolved: lists of primaries that are not defined.
        dynamic: it may be changed by UPDATE (update-policy, or allow-update with anybody in it).
        update_policy: that is said by update-policy.
        inline_signing: named keeps a signed copy beside the file.
        dnssec_policy: name of the policy that it is signed by; empty for none.
        key_directory: where its keys lie.
    """

    name: str
    view: str
    kind: str
    file: Path | None
    raw: bool
    primaries: tuple[str, ...]
    unresolved: tuple[str, ...]
    dynamic: bool
    update_policy: bool
    inline_signing: bool
    dnssec_policy: str
    key_directory: Path


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of named.conf that matters here.

    Attributes:
        directory: what relative paths start from.
        zones: every zone statement that has a type, in order.
    """

    directory: Path
    zones: tuple[ZoneStatement, ...]

    def of(self, zone: str) -> tuple[ZoneStatement, ...]:
        """The statements of one zone: one for each view that has it."""
        wanted = zone.lower().rstrip(".")
        return tuple(one for one in self.zones if one.name == wanted)


def read(printed: str, directory: Path) -> Configuration:
    """What `named-checkconf -p` printed.

    Args:
        directory: named's working directory, where options name none.

    Raises:
        NotNamedConf
    """
    top = parse(_without_warnings(printed))
    options = _block(top, "options")
    where = directory / (_word(_last(options, "directory")) or ".")
    lists = {one.words[1]: one for one in top if one.name in _LISTS and len(one.words) > 1 and one.blocks}
    zones: list[ZoneStatement] = []
    for one in top:
        if one.name == "zone":
            zones += _zone(one, "", (options,), lists, where)
        if one.name == "view" and one.blocks and len(one.words) > 1:
            inner = one.blocks[-1]
            for each in inner:
                if each.name == "zone":
                    zones += _zone(each, one.words[1], (inner, options), lists, where)
    return Configuration(where, tuple(zones))


def _without_warnings(printed: str) -> str:
    """named-checkconf warns on standard output, before what it prints: lines of another grammar."""
    lines = printed.splitlines()
    return "\n".join(line for line in lines if line[:1] in ("", " ", "\t") or line.endswith(("{", ";")))


def _zone(
    statement: Statement,
    view: str,
    above: Sequence[Sequence[Statement]],
    lists: Mapping[str, Statement],
    where: Path,
) -> Iterator[ZoneStatement]:
    own = statement.blocks[-1] if statement.blocks else ()
    kind = _word(_last(own, "type")).lower()
    if not kind or len(statement.words) < 2:
        return  # in-view: it is another view's zone
    kind = _KINDS.get(kind, kind)

    def option(name: str) -> Statement | None:
        return next((found for level in (own, *above) if (found := _last(level, name)) is not None), None)

    file = _word(_last(own, "file"))
    written = _word(option("masterfile-format")).lower() or ("text" if kind == "primary" else "raw")
    source = _last(own, "primaries") or _last(own, "masters")
    addresses, unresolved = _addresses(source, lists, 0)
    policy = _word(option("dnssec-policy"))
    by_policy = _last(own, "update-policy") is not None
    signing = _word(option("inline-signing")).lower()
    yield ZoneStatement(
        name=statement.words[1].lower().rstrip("."),
        view=view,
        kind=kind,
        file=where / file if file else None,
        raw=written == "raw",
        primaries=tuple(addresses),
        unresolved=tuple(unresolved),
        dynamic=by_policy or _anybody(option("allow-update")),
        update_policy=by_policy,
        inline_signing=signing in {"yes", "true", "1"},
        dnssec_policy="" if policy.lower() == "none" else policy,
        key_directory=where / (_word(option("key-directory")) or "."),
    )


def _addresses(source: Statement | None, lists: Mapping[str, Statement], depth: int) -> tuple[list[str], list[str]]:
    addresses: list[str] = []
    unresolved: list[str] = []
    for item in source.blocks[-1] if source is not None and source.blocks else ():
        word = item.words[0] if item.words else ""
        try:
            addresses.append(str(ipaddress.ip_address(word)))
        except ValueError:
            if word in lists and depth < _DEEPEST:
                more, missing = _addresses(lists[word], lists, depth + 1)
                addresses += more
                unresolved += missing
            else:
                unresolved.append(word)
    return addresses, unresolved


def _anybody(allowed: Statement | None) -> bool:
    items = allowed.blocks[-1] if allowed is not None and allowed.blocks else ()
    return any(item.words != ("none",) for item in items)


def _block(statements: Sequence[Statement], name: str) -> tuple[Statement, ...]:
    found = _last(statements, name)
    return found.blocks[-1] if found is not None and found.blocks else ()


def _last(statements: Sequence[Statement], name: str) -> Statement | None:
    return next((one for one in reversed(statements) if one.name == name), None)


def _word(statement: Statement | None) -> str:
    return statement.words[1] if statement is not None and len(statement.words) > 1 else ""
