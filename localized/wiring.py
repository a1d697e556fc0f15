"""Whether this machine's own configuration reads what we render, and nothing else registers behind our back.

Pure, but for the disk that it is given: the configuration is read as Asterisk reads it (localized.asterisk_conf).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localized.asterisk_conf import Conf, Include, LocalDisk, read_conf
from localized.elsewhere import TRUE, generated_by_gui, registrations_elsewhere
from localized.facts import Facts
from localized.problem import Problem, Weight, same_file, ways
from localized.reach import closed_directories
from localized.rendered import FREEPBX_NAMES


@dataclass(frozen=True, slots=True)
class Wire:
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


WIRES: Final = (
    Wire("asterisk/sip-registrations.conf", "sip.conf", "general", "inside [general], before any other section"),
    Wire("asterisk/sip-address.conf", "sip.conf", "general", "inside [general], before any other section"),
    Wire("asterisk/iax-registrations.conf", "iax.conf", "general", "inside [general], before any other section"),
    Wire("asterisk/pjsip-registrations.conf", "pjsip.conf", None, "at the end"),
    Wire("asterisk/pjsip-auth.conf", "pjsip.conf", None, "at the end"),
    Wire("asterisk/pjsip-address.conf", "pjsip.conf", None, "inside each section with type = transport"),
    Wire("asterisk/role.conf", "extensions.conf", "globals", "as the last line of [globals]"),
)


def check(facts: Facts, localized: Path, generation: Path | None) -> list[Problem]:
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
    found = list(closed_directories(localized, facts.asterisk.user, facts.asterisk.group))
    found += _wires(facts, current, confs)
    found += registrations_elsewhere(facts, confs, current)
    found += _swallowed(confs, facts)
    if facts.asterisk.freepbx:
        found += generated_by_gui(facts, disk)
    return found


_CONFS: Final = ("sip.conf", "iax.conf", "pjsip.conf", "extensions.conf", "users.conf", "pjsip_wizard.conf")
_CHANNEL_OF: Final = {"sip.conf": "sip", "iax.conf": "iax2", "pjsip.conf": "pjsip"}


def _wires(facts: Facts, current: Path, confs: dict[str, Conf | None]) -> Iterator[Problem]:
    for wire in WIRES:
        path = FREEPBX_NAMES.get(wire.file, wire.file) if facts.asterisk.freepbx else wire.file
        wanted = current / path
        conf = confs[wire.conf]
        weight = _weight(wire, facts)
        if weight is None:
            continue
        line = f'\n    #include "{wanted}"'
        where = f"{facts.asterisk.config_dir}/{wire.conf}"
        if conf is None:
            yield Problem(weight, f"{where} is missing. Write it, and {wire.advice}:{line}")
            continue
        if conf.refused is not None:
            # Told once, by _swallowed.
            continue
        met = [include for include in conf.includes if same_file(include.path, wanted)]
        if not met:
            yield Problem(weight, f"{where} does not include {path}. Write {wire.advice}:{line}")
        elif wire.section is not None and all((one.section or "").lower() != wire.section for one in met):
            yield Problem(
                weight,
                f"{met[0].file}:{met[0].line} includes {path} inside [{met[0].section}], where Asterisk does not "
                f"look for it. Move the line {wire.advice}.",
            )
        elif wire.file == "asterisk/pjsip-address.conf":
            yield from _outside_transport(conf, met, path)
        elif wire.file == "asterisk/role.conf" and not _sets_role(conf):
            yield Problem(
                Weight.TELLS,
                f"{where}: HOTSTANDBY_ROLE is not read from the first [globals] of the dialplan, the only one that "
                f"Asterisk takes. Write {wire.advice}, and only there:{line}",
            )


def _weight(wire: Wire, facts: Facts) -> Weight | None:
    channels = {trunk.channel for trunk in facts.trunks if trunk.values.register_}
    match wire.file:
        case "asterisk/sip-registrations.conf":
            return Weight.STOPS if "sip" in channels else None
        case "asterisk/iax-registrations.conf":
            return Weight.STOPS if "iax2" in channels else None
        case "asterisk/pjsip-registrations.conf" | "asterisk/pjsip-auth.conf":
            return Weight.STOPS if "pjsip" in channels else None
        case "asterisk/role.conf":
            gated = any(trunk.by_address and trunk.values.when_standby == "refuse" for trunk in facts.trunks)
            return Weight.STOPS if gated else Weight.TELLS
        case _:
            here = facts.pair.machines[facts.machine]
            channel = _CHANNEL_OF[wire.conf]
            used = any(trunk.channel == channel for trunk in facts.trunks)
            return Weight.TELLS if used and here.bind != here.public_address else None


def _outside_transport(conf: Conf, met: Iterable[Include], path: str) -> Iterator[Problem]:
    transports = {
        section.name.lower() for section in conf.sections if (section.last("type") or "").lower() == "transport"
    }
    for one in met:
        if (one.section or "").lower() not in transports:
            yield Problem(
                Weight.TELLS,
                f"{one.file}:{one.line} includes {path} inside [{one.section}], which is no transport. "
                "Move the line into each section with type = transport.",
            )


def _sets_role(conf: Conf) -> bool:
    first = next(conf.named("globals"), None)
    return first is not None and first.last("HOTSTANDBY_ROLE") is not None


def _swallowed(confs: dict[str, Conf | None], facts: Facts) -> Iterator[Problem]:
    channels = {trunk.channel for trunk in facts.trunks}
    for name, conf in confs.items():
        if conf is None:
            continue
        used = name == "extensions.conf" or _CHANNEL_OF.get(name) in channels
        if conf.refused is not None:
            yield Problem(
                Weight.STOPS if used else Weight.TELLS,
                f"{conf.refused}. Asterisk refuses the whole of {name} and keeps what it had loaded before.",
            )
        for finding in conf.findings:
            lost = "drops the rest" in finding.text
            yield Problem(Weight.MENDS if used and lost else Weight.TELLS, f"{finding}.")


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
