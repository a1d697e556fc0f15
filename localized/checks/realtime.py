"""What Asterisk reads from elsewhere than its configuration files, where nobody can look; and what it refuses together.

extconfig.conf puts a database in the place of a whole file, or names tables for single objects (main/config.c,
read_config_maps); sorcery.conf does so for PJSIP objects (localized.asterisk.sorcery).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from localized.asterisk.configuration import Conf
from localized.asterisk.include_paths import below
from localized.asterisk.sorcery import ObjectSource, duplicates
from localized.checks.problem import ConfigProblem, Severity
from localized.render.facts import TemplateFacts

_READ_BY: Final = {"sip.conf": "sip", "iax.conf": "iax2", "pjsip.conf": "pjsip", "extensions.conf": "the dialplan"}
_PEERS: Final = {"sippeers": ("sip", "chan_sip"), "iaxpeers": ("iax2", "chan_iax2")}
"""Families whose rows may register: a chan_sip peer with a callbackextension does."""
_OURS: Final = ("registration", "auth")


def instead_of_files(facts: TemplateFacts, confs: Mapping[str, Conf | None]) -> Iterator[ConfigProblem]:
    """Configuration files that Asterisk takes from a database, by themselves or where another one includes them."""
    extconfig = confs["extconfig.conf"]
    if extconfig is None or extconfig.refused is not None:
        return
    channels = {trunk.channel for trunk in facts.trunks} | {"the dialplan"}
    first = next(extconfig.named("settings"), None)
    for setting in first.settings if first is not None else ():
        where, driver = f"{setting.file}:{setting.line}", setting.value.partition(",")[0]
        family = setting.name.lower()
        if _READ_BY.get(family) in channels or family == "global":
            file = "every file that is not named there" if family == "global" else setting.name
            yield ConfigProblem(
                Severity.ERROR,
                f"{where}: where its {driver} engine is loaded, Asterisk takes {file} from a database, and reads "
                "neither that file nor what is included in it; what stands in the database is not looked at. "
                "Remove the line, or keep the registrations of pair.toml in files.",
            )
        elif included := _included(f"{facts.asterisk.config_dir}/{setting.name}", confs):
            yield ConfigProblem(
                Severity.WARNING,
                f"{where}: where its {driver} engine is loaded, Asterisk takes {setting.name}, which {included} "
                "includes, from a database; what stands there is not looked at.",
            )
        elif family == "sippeers" and "sip" in channels:
            yield ConfigProblem(
                Severity.WARNING,
                f"{where}: chan_sip takes peers from {driver}, which is not looked at. One with a callbackextension "
                "registers in either role; asterisk -rx 'sip show registry' shows it.",
            )


def _included(path: str, confs: Mapping[str, Conf | None]) -> str:
    """Where a file is included; empty where it is not."""
    all_of = (one for conf in confs.values() if conf is not None for one in conf.includes)
    return next((f"{one.file}:{one.line}" for one in all_of if one.path == path), "")


def from_sorcery(
    facts: TemplateFacts, confs: Mapping[str, Conf | None], pjsip: Mapping[str, tuple[ObjectSource, ...]], current: Path
) -> Iterator[ConfigProblem]:
    """What sorcery.conf takes registrations and their credentials from, and two PJSIP objects of one type and name."""
    if all(trunk.channel != "pjsip" or trunk.by_address for trunk in facts.trunks):
        return
    for type_ in _OURS:
        files = any(source.kind == "config" for source in pjsip[type_])
        for source in pjsip[type_]:
            if source.kind == "config":
                continue
            said = f"{source.where}: '{source.words}': Asterisk takes objects of type {type_} from {source.kind}"
            if files:
                yield ConfigProblem(Severity.WARNING, f"{said} as well, which is not looked at. {_LOOK[type_]}")
            else:
                yield ConfigProblem(
                    Severity.BLOCKER,
                    f"{said} alone, and reads none that is rendered. Add below that line: "
                    f"{type_} = config,pjsip.conf,criteria=type={type_}",
                )
    for type_, found in pjsip.items():
        for source in found:
            yield from _twice(type_, source, confs.get(source.file), current)


_LOOK: Final = {
    "registration": "A row there registers in either role; asterisk -rx 'pjsip show registrations' shows it.",
    "auth": "Of two with one name either may be used; asterisk -rx 'pjsip show auths' shows them.",
}


def _twice(type_: str, source: ObjectSource, conf: Conf | None, current: Path) -> Iterator[ConfigProblem]:
    for first, second in duplicates(conf, source):
        own, other = (first, second) if not below(first.file, current) else (second, first)
        places = f"{other.file}:{other.line}" if below(other.file, current) else f"{first.file}:{first.line}"
        yield ConfigProblem(
            Severity.BLOCKER if type_ in _OURS else Severity.ERROR,
            f"{own.file}:{own.line}: [{own.name}] is a second object of type {type_} with that name, beside {places}. "
            f"Of two, Asterisk takes neither, and no other object of type {type_} in {source.file}: what it had loaded "
            "stays until it starts, and then all are gone. Give it another name, or remove it.",
        )
