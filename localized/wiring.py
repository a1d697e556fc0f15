"""Whether this machine's own configuration reads what we render, and nothing else registers behind our back.

Pure, but for the disk that it is given: the configuration is read as Asterisk reads it (localized.asterisk_conf).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from localized.asterisk_conf import Conf, LocalDisk, read_conf
from localized.facts import Facts
from localized.render import FREEPBX_NAMES


class Weight(Enum):
    """What a problem stops."""

    STOPS = "error"
    """Asterisk would not do what the role says; nothing is activated."""
    TELLS = "warning"
    """Worth mending; nothing is stopped."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with this machine's configuration, and what to type."""

    weight: Weight
    text: str

    def __str__(self) -> str:
        return self.text


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

GUI_FILES: Final = {
    "sip": "sip_registrations.conf",
    "iax2": "iax_registrations.conf",
    "pjsip": "pjsip.registration.conf",
}
"""Where FreePBX's GUI writes its own registrations."""


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
    found = list(_wires(facts, current, confs))
    found += _registrations_elsewhere(facts, confs, current)
    found += _swallowed(confs, facts)
    if facts.asterisk.freepbx:
        found += _gui(facts, config_dir, disk)
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
        line = f'#include "{wanted}"'
        where = f"{facts.asterisk.config_dir}/{wire.conf}"
        if conf is None:
            yield Problem(weight, f"{where} is missing. Write it, with {line} {wire.advice}.")
            continue
        if conf.refused is not None:
            # Told once, by _swallowed.
            continue
        met = [include for include in conf.includes if same_file(include.path, wanted)]
        if not met:
            yield Problem(weight, f"{where} does not include {path}. Add {line} {wire.advice}.")
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
                f"Asterisk takes. Put {line} {wire.advice}, and only there.",
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
            channel = (
                "sip" if "sip" in wire.conf.split(".")[0].removeprefix("pj") and wire.conf == "sip.conf" else "pjsip"
            )
            used = any(trunk.channel == channel for trunk in facts.trunks)
            return Weight.TELLS if used and here.bind != here.public_address else None


def _outside_transport(conf: Conf, met: Iterable[object], path: str) -> Iterator[Problem]:
    transports = {
        section.name.lower() for section in conf.sections if (section.last("type") or "").lower() == "transport"
    }
    for one in met:
        section = getattr(one, "section", None) or ""
        if section.lower() not in transports:
            yield Problem(
                Weight.TELLS,
                f"{getattr(one, 'file', '')}:{getattr(one, 'line', 0)} includes {path} inside [{section}], "
                "which is no transport. Move the line into each section with type = transport.",
            )


def _sets_role(conf: Conf) -> bool:
    first = next(conf.named("globals"), None)
    return first is not None and first.last("HOTSTANDBY_ROLE") is not None


def _registrations_elsewhere(facts: Facts, confs: dict[str, Conf | None], current: Path) -> Iterator[Problem]:
    """A standby must not register by way of a file that no role swaps."""
    ours = {(trunk.channel, str(trunk.username)): trunk for trunk in facts.trunks if trunk.values.register_}
    users = confs["users.conf"]
    for section in users.sections if users is not None else ():
        for key, channel in (("registersip", "chan_sip"), ("registeriax", "chan_iax2")):
            if (section.last(key) or "no").lower() in {"yes", "true", "y", "t", "1", "on"} and section.last("host"):
                yield Problem(
                    Weight.STOPS,
                    f"{section.file}:{section.line}: [{section.name}] makes {channel} register ({key}), in either "
                    "role. Make it a trunk in pair.toml, and remove the line.",
                )
    sip = confs["sip.conf"]
    for section in sip.sections if sip is not None else ():
        if section.last("callbackextension") and not section.template:
            yield Problem(
                Weight.STOPS,
                f"{section.file}:{section.line}: [{section.name}] registers in either role (callbackextension). "
                "Make it a trunk in pair.toml, and remove the line.",
            )
    for name, channel in (("sip.conf", "sip"), ("iax.conf", "iax2")):
        conf = confs[name]
        for section in conf.named("general") if conf is not None else ():
            for setting in section.settings:
                if setting.name.lower() != "register" or _below(setting.file, current):
                    continue
                user = setting.value.partition("@")[0].partition(":")[0].rpartition("/")[2].rpartition("?")[2]
                trunk = ours.get((channel, user.strip('"')))
                if trunk is not None:
                    yield Problem(
                        Weight.STOPS,
                        f"{setting.file}:{setting.line} registers {user} itself, in either role; it is trunk "
                        f"{trunk.name}. Remove the line.",
                    )
    pjsip = confs["pjsip.conf"]
    for section in pjsip.sections if pjsip is not None else ():
        kind = (section.last("type") or "").lower()
        swapped = _below(section.file, current) and Path(section.file).name.startswith(("pjsip-reg", "pjsip.reg"))
        if kind == "registration" and not _below(section.file, current) and not section.template:
            trunk = next(
                (own for (channel, _), own in ours.items() if channel == "pjsip" and _is_for(section, own)), None
            )
            if trunk is not None:
                yield Problem(
                    Weight.STOPS,
                    f"{section.file}:{section.line}: [{section.name}] registers in either role; it is trunk "
                    f"{trunk.name}. Remove the section.",
                )
        elif kind == "auth" and swapped:
            yield Problem(
                Weight.STOPS,
                f"{section.file}:{section.line}: the auth object [{section.name}] is swapped with the registrations; "
                "without it a standby cannot end its bindings at the carrier. Keep it in pjsip-auth.conf.",
            )
    wizard = confs["pjsip_wizard.conf"]
    for section in wizard.sections if wizard is not None else ():
        if (section.last("sends_registrations") or "no").lower() in {"yes", "true", "y", "t", "1", "on"}:
            yield Problem(
                Weight.STOPS,
                f"{section.file}:{section.line}: [{section.name}] registers in either role (sends_registrations). "
                "Make it a trunk in pair.toml, and set sends_registrations = no.",
            )


def _is_for(section: object, trunk: object) -> bool:
    uri = getattr(section, "last")("client_uri") or ""  # noqa: B009 - Section
    user = uri.partition(":")[2].partition("@")[0]
    return bool(user) and user == str(getattr(trunk, "username", ""))


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
            drops = "drops the rest" in finding.text or "skips" in finding.text
            yield (
                Problem(Weight.STOPS if used and "drops the rest" in finding.text else Weight.TELLS, f"{finding}.")
                if drops or used
                else Problem(Weight.TELLS, f"{finding}.")
            )


def _gui(facts: Facts, config_dir: str, disk: LocalDisk) -> Iterator[Problem]:
    for channel, name in GUI_FILES.items():
        data = disk.read(f"{config_dir}/{name}")
        if data is None:
            continue
        text = data.decode("utf-8", "replace")
        for trunk in facts.trunks:
            if trunk.channel == channel and trunk.values.register_ and _mentions(text, str(trunk.username)):
                yield Problem(
                    Weight.STOPS,
                    f"{config_dir}/{name}, which FreePBX generates, registers trunk {trunk.name} ({trunk.username}) in "
                    "either role. Clear its registration in the GUI (Connectivity, Trunks; Registration: None), and "
                    "apply.",
                )


def _mentions(text: str, username: str) -> bool:
    for raw in text.splitlines():
        line = raw.partition(";")[0]
        key, _, value = line.partition("=")
        value = value.removeprefix(">").strip()
        if key.strip().lower() == "register":
            user = value.rpartition("@")[0].rpartition("/")[2].partition(":")[0].partition("@")[0]
            if user.strip('"') == username:
                return True
        elif key.strip().lower() == "client_uri" and value.partition(":")[2].partition("@")[0] == username:
            return True
    return False


def _exec_includes(config_dir: str, disk: LocalDisk) -> bool:
    conf = read_conf("asterisk.conf", config_dir, disk)
    options = next(conf.named("options"), None) if conf is not None else None
    return options is not None and (options.last("execincludes") or "no").lower() in {
        "yes",
        "true",
        "y",
        "t",
        "1",
        "on",
    }


def same_file(included: str, wanted: Path) -> bool:
    """Whether an include reaches a file below `current`, by its own name or by a symbolic link to it."""
    path = included
    for _ in range(10):
        if os.path.normpath(path) == str(wanted):
            return True
        try:
            target = str(Path(path).readlink())
        except OSError:
            break
        path = os.path.join(os.path.dirname(path), target)  # noqa: PTH118, PTH120 - text of links, not yet paths
    try:
        return wanted.exists() and Path(included).samefile(wanted)
    except OSError:
        return False


def _below(path: str, current: Path) -> bool:
    return path.startswith(f"{current}/") or same_file(path, current / "asterisk" / Path(path).name)


def _laid_over(current: Path, generation: Path | None) -> Callable[[str], str]:
    if generation is None:
        return lambda path: path

    def over(path: str) -> str:
        for _ in range(10):
            if path.startswith(f"{current}/"):
                return str(generation) + path.removeprefix(str(current))
            try:
                target = str(Path(path).readlink())
            except OSError:
                return path
            path = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120
        return path

    return over
