"""Where Asterisk takes its PJSIP objects from, and which of them it would refuse together.

sorcery.conf maps a type of object to one or several sources (main/sorcery.c, ast_sorcery_apply_config); without such
a line it is pjsip.conf (res_pjsip_outbound_registration.c, load_module, and its like). Of two objects of one type and
name in a file Asterisk takes neither, and none of that type: what it had loaded before stays (res_sorcery_config.c,
sorcery_config_internal_load; the same from 16 to 22).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from localized.asterisk.configuration import Conf
from localized.asterisk.sections import ConfigSection, folded

TYPES: Final = ("registration", "auth", "endpoint", "aor", "identify", "transport", "acl", "domain_alias")
"""Types that stand in pjsip.conf unless sorcery.conf says otherwise."""
_OWN_SECTION: Final = {
    "registration": "res_pjsip_outbound_registration",
    "identify": "res_pjsip_endpoint_identifier_ip",
    "acl": "acl",
}
"""Sections of sorcery.conf that speak of a type; [res_pjsip] may speak of any."""


@dataclass(frozen=True, slots=True)
class ObjectSource:
    """One place that objects of a type come from.

    Attributes:
        kind: config (a file), or realtime, astdb, memory and the like, which cannot be looked into.
        file: of a config source.
        criteria: option and value that a section must have; none: every section is taken.
        where: the line of sorcery.conf; empty where nothing is said there.
        words: what that line says.
    """

    kind: str
    file: str = ""
    criteria: tuple[tuple[str, str], ...] = ()
    where: str = ""
    words: str = ""


def sources(sorcery: Conf | None, type_: str) -> tuple[ObjectSource, ...]:
    """Where objects of a type come from, in Asterisk's order."""
    found = [*_said(sorcery, "res_pjsip", type_)]
    if type_ in _OWN_SECTION:
        found += _said(sorcery, _OWN_SECTION[type_], type_)
    return tuple(found) or (ObjectSource("config", "pjsip.conf", (("type", type_),)),)


def _said(sorcery: Conf | None, section: str, type_: str) -> Iterator[ObjectSource]:
    # A file that Asterisk refuses says nothing.
    first = next(sorcery.named(section), None) if sorcery is not None and sorcery.refused is None else None
    for setting in first.settings if first is not None else ():
        if setting.name.partition("/")[0] != type_:
            continue
        kind, _, data = setting.value.partition(",")
        where, words = f"{setting.file}:{setting.line}", f"{setting.name} = {setting.value}"
        if kind != "config":
            yield ObjectSource(kind, where=where, words=words)
            continue
        file, *options = data.split(",")
        criteria = [option.split("=", 2)[1:] for option in options if option.lower().startswith("criteria=")]
        wanted = tuple((one[0], one[1]) for one in criteria if len(one) == 2)
        yield ObjectSource("config", file, wanted, where, words)


def objects(conf: Conf | None, source: ObjectSource) -> Iterator[ConfigSection]:
    """The sections of a file that are objects of a source: templates are none; the first value of an option counts,
    and in its very spelling."""
    for section in conf.sections if conf is not None and conf.refused is None else ():
        if not section.template and all(_first(section, name) == value for name, value in source.criteria):
            yield section


def duplicates(conf: Conf | None, source: ObjectSource) -> Iterator[tuple[ConfigSection, ConfigSection]]:
    """Pairs of objects of one name, told apart by case, of which Asterisk takes neither."""
    seen: dict[str, ConfigSection] = {}
    for section in objects(conf, source):
        before = seen.setdefault(section.name, section)
        if before is not section:
            yield before, section


def _first(section: ConfigSection, name: str) -> str | None:
    return next((one.value for one in section.settings if folded(one.name) == folded(name)), None)
