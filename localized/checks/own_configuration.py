"""Whether this machine's own configuration reads what we render, and nothing else registers behind our back.

Pure, but for the disk that it is given: the configuration is read as Asterisk reads it
(localized.asterisk.configuration).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localized.asterisk.configuration import Conf, Include, LocalDisk, read_conf
from localized.asterisk.include_paths import same_file, ways
from localized.asterisk.sections import folded
from localized.asterisk.sorcery import TYPES, ObjectSource, sources
from localized.checks.foreign_registrations import TRUE, foreign_registrations, generated_by_gui
from localized.checks.permissions import closed_directories
from localized.checks.problem import ConfigProblem, Severity
from localized.checks.realtime import from_sorcery, instead_of_files
from localized.render.facts import TemplateFacts
from localized.render.rendered import FREEPBX_NAMES


@dataclass(frozen=True, slots=True)
class RequiredInclude:
    """One rendered file, and where Asterisk must meet it.

    Attributes:
        file: rendered path.
        conf: the configuration file that includes it.
        section: the section that must be open there; None where any will do.
        advice: where to put the line.
    """

    file: str
    conf: str
    section: str | None
    advice: str


REQUIRED_INCLUDES: Final = (
    RequiredInclude(
        "asterisk/sip-registrations.conf", "sip.conf", "general", "inside [general], before any other section"
    ),
    RequiredInclude("asterisk/sip-address.conf", "sip.conf", "general", "inside [general], before any other section"),
    RequiredInclude(
        "asterisk/iax-registrations.conf", "iax.conf", "general", "inside [general], before any other section"
    ),
    RequiredInclude("asterisk/pjsip-registrations.conf", "pjsip.conf", None, "at the end"),
    RequiredInclude("asterisk/pjsip-auth.conf", "pjsip.conf", None, "at the end"),
    RequiredInclude("asterisk/pjsip-address.conf", "pjsip.conf", None, "inside each section with type = transport"),
    RequiredInclude("asterisk/role.conf", "extensions.conf", "globals", "as the last line of [globals]"),
)


def check(facts: TemplateFacts, localized: Path, generation: Path | None) -> list[ConfigProblem]:
    """Everything that is wrong.

    Args:
        facts: of this machine, in any role.
        localized: the localized directory of this machine.
        generation: what `current` is about to point to; None to look at what it points to now.
    """
    current = localized / "current"
    over = _laid_over(current, generation)
    config_dir = facts.asterisk.config_dir
    disk = LocalDisk(over)
    execs = _exec_includes(config_dir, disk)
    confs = {name: read_conf(name, config_dir, disk, exec_includes=execs) for name in _CONFS}
    pjsip = {type_: sources(confs["sorcery.conf"], type_) for type_ in TYPES}
    for name in {source.file for found in pjsip.values() for source in found if source.file} - set(confs):
        confs[name] = read_conf(name, config_dir, disk, exec_includes=execs)
    found = list(closed_directories(localized, facts.asterisk.user, facts.asterisk.group))
    found += _required_includes(facts, current, confs, pjsip)
    found += foreign_registrations(facts, confs, current, pjsip["registration"])
    found += instead_of_files(facts, confs)
    found += from_sorcery(facts, confs, pjsip, current)
    found += _swallowed(confs, facts)
    if facts.asterisk.freepbx:
        found += generated_by_gui(facts, disk)
    return found


_CONFS: Final = (
    *("sip.conf", "iax.conf", "pjsip.conf", "extensions.conf", "users.conf", "pjsip_wizard.conf"),
    *("sorcery.conf", "extconfig.conf"),
)
_CHANNEL_OF: Final = {"sip.conf": "sip", "iax.conf": "iax2", "pjsip.conf": "pjsip"}


_TYPE_OF: Final = {"asterisk/pjsip-registrations.conf": "registration", "asterisk/pjsip-auth.conf": "auth"}


def _required_includes(
    facts: TemplateFacts, current: Path, confs: dict[str, Conf | None], pjsip: Mapping[str, tuple[ObjectSource, ...]]
) -> Iterator[ConfigProblem]:
    for required in REQUIRED_INCLUDES:
        path = FREEPBX_NAMES.get(required.file, required.file) if facts.asterisk.freepbx else required.file
        wanted = current / path
        name = _read_for(required, confs, pjsip, wanted)
        conf = confs[name]
        severity = _severity(required, facts)
        if severity is None:
            continue
        line = f'\n    #include "{wanted}"'
        where = f"{facts.asterisk.config_dir}/{name}"
        if conf is None:
            yield ConfigProblem(severity, f"{where} is missing. Write it, and {required.advice}:{line}")
            continue
        if conf.refused is not None:
            # Told once, by _swallowed.
            continue
        met = [include for include in conf.includes if same_file(include.path, wanted)]
        if not met:
            yield ConfigProblem(severity, f"{where} does not include {path}. Write {required.advice}:{line}")
        elif required.section is not None and (misplaced := _misplaced(conf, required, met)):
            yield ConfigProblem(
                severity, f"{met[0].file}:{met[0].line} includes {path} {misplaced} Move the line {required.advice}."
            )
        elif required.file == "asterisk/pjsip-address.conf":
            yield from _outside_transport(conf, met, path)
        elif required.file == "asterisk/role.conf" and not _sets_role(conf):
            yield ConfigProblem(
                Severity.WARNING,
                f"{where}: HOTSTANDBY_ROLE is not read from the first [globals] of the dialplan, the only one that "
                f"Asterisk takes. Write {required.advice}, and only there:{line}",
            )


def _read_for(
    required: RequiredInclude,
    confs: dict[str, Conf | None],
    pjsip: Mapping[str, tuple[ObjectSource, ...]],
    wanted: Path,
) -> str:
    """The file that it belongs into: where sorcery.conf names others, the one that has it, or else the first."""
    if required.file not in _TYPE_OF:
        return required.conf
    named = pjsip[_TYPE_OF[required.file]]
    names = [source.file for source in named if source.file] or [required.conf]
    for name in names:
        conf = confs[name]
        if conf is not None and any(same_file(include.path, wanted) for include in conf.includes):
            return name
    return names[0]


def _misplaced(conf: Conf, required: RequiredInclude, met: Sequence[Include]) -> str:
    """Why Asterisk does not look there; empty where it does. Of several sections of a name it reads the first alone."""
    first, one = next(conf.named(required.section or ""), None), met[0]
    named = [each for each in met if each.into is not None and folded(each.into.name) == folded(required.section or "")]
    if not named or first is None:
        kind = "(!), a template," if one.into is not None and one.into.template else ","
        return f"inside [{one.section}]{kind} where Asterisk does not look for it."
    if required.section == "globals" or any(each.into is first for each in named):
        # role.conf opens sections of its own, which are read in any case; its globals are looked at by _sets_role.
        return ""
    into = named[0].into
    where = f"{into.file}:{into.line}" if into is not None else ""
    return f"inside the [{required.section}] of {where}, and Asterisk reads the first alone, {first.file}:{first.line}."


def _severity(required: RequiredInclude, facts: TemplateFacts) -> Severity | None:
    channels = {trunk.channel for trunk in facts.trunks if trunk.values.register_}
    match required.file:
        case "asterisk/sip-registrations.conf":
            return Severity.BLOCKER if "sip" in channels else None
        case "asterisk/iax-registrations.conf":
            return Severity.BLOCKER if "iax2" in channels else None
        case "asterisk/pjsip-registrations.conf" | "asterisk/pjsip-auth.conf":
            return Severity.BLOCKER if "pjsip" in channels else None
        case "asterisk/role.conf":
            gated = any(trunk.by_address and trunk.values.when_standby == "refuse" for trunk in facts.trunks)
            return Severity.BLOCKER if gated else Severity.WARNING
        case _:
            here = facts.pair.machines[facts.machine]
            channel = _CHANNEL_OF[required.conf]
            used = any(trunk.channel == channel for trunk in facts.trunks)
            return Severity.WARNING if used and here.bind != here.public_address else None


def _outside_transport(conf: Conf, met: Iterable[Include], path: str) -> Iterator[ConfigProblem]:
    transports = {
        section.name.lower() for section in conf.sections if (section.last("type") or "").lower() == "transport"
    }
    for one in met:
        if (one.section or "").lower() not in transports:
            yield ConfigProblem(
                Severity.WARNING,
                f"{one.file}:{one.line} includes {path} inside [{one.section}], which is no transport. "
                "Move the line into each section with type = transport.",
            )


def _sets_role(conf: Conf) -> bool:
    first = next(conf.named("globals"), None)
    return first is not None and first.last("HOTSTANDBY_ROLE") is not None


def _swallowed(confs: dict[str, Conf | None], facts: TemplateFacts) -> Iterator[ConfigProblem]:
    channels = {trunk.channel for trunk in facts.trunks}
    for name, conf in confs.items():
        if conf is None:
            continue
        used = name == "extensions.conf" or _CHANNEL_OF.get(name) in channels
        if conf.refused is not None:
            yield ConfigProblem(
                Severity.BLOCKER if used else Severity.WARNING,
                f"{conf.refused}. Asterisk refuses the whole of {name} and keeps what it had loaded before.",
            )
        if name in _CHANNEL_OF and name != "pjsip.conf" and used:
            yield from _second_general(conf)
        for finding in conf.findings:
            yield ConfigProblem(Severity.ERROR if used and finding.drops_rest else Severity.WARNING, f"{finding}.")


def _second_general(conf: Conf) -> Iterator[ConfigProblem]:
    first, *others = [*conf.named("general"), None]
    for one in others:
        if first is not None and one is not None and one.settings:
            yield ConfigProblem(
                Severity.WARNING,
                f"{one.file}:{one.line} is a second [{one.name}]; Asterisk reads the first alone, which is "
                f"{first.file}:{first.line}. Write [general](+) to go on with that one.",
            )


def _exec_includes(config_dir: str, disk: LocalDisk) -> bool:
    conf = read_conf("asterisk.conf", config_dir, disk)
    options = next(conf.named("options"), None) if conf is not None else None
    return options is not None and (options.last("execincludes") or "no").lower() in TRUE


def _laid_over(current: Path, generation: Path | None) -> Callable[[str], str]:
    if generation is None:
        return lambda path: path

    def over(path: str) -> str:
        for way in ways(path):
            if way.startswith(f"{current}/"):
                return str(generation) + way.removeprefix(str(current))
        return path

    return over
