"""Registrations of our trunks that this machine makes by itself, by way of a file that no role swaps.

A standby that has one registers; the lists after an activation show it, and --check finds it before. Sources:
channels/chan_sip.c (build_peer: callbackextension; users.conf: registersip), channels/chan_iax2.c (registeriax),
res/res_pjsip_config_wizard.c (sends_registrations), and what FreePBX's GUI generates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from localized.asterisk_conf import Conf, Disk, Section, Setting
from localized.facts import Facts, TrunkFacts
from localized.problem import Problem, Weight, below

GUI_FILES: Final = {
    "sip": "sip_registrations.conf",
    "iax2": "iax_registrations.conf",
    "pjsip": "pjsip.registration.conf",
}
"""Where FreePBX's GUI writes its own registrations."""

TRUE: Final = frozenset({"yes", "true", "y", "t", "1", "on"})
"""What ast_true takes for yes (main/utils.c)."""


def registrations_elsewhere(facts: Facts, confs: Mapping[str, Conf | None], current: Path) -> Iterator[Problem]:
    """Every one, with the line to remove.

    Args:
        facts: of this machine.
        confs: Asterisk's configuration files by name, None where one is missing.
        current: the directory whose files are ours.
    """
    ours = [trunk for trunk in facts.trunks if trunk.values.register_]
    yield from _switched_on(confs["users.conf"], {"registersip": "chan_sip", "registeriax": "chan_iax2"}, needs="host")
    yield from _switched_on(confs["pjsip_wizard.conf"], {"sends_registrations": "PJSIP"}, needs="remote_hosts")
    yield from _callbacks(confs["sip.conf"])
    for name, channel in (("sip.conf", "sip"), ("iax.conf", "iax2")):
        for setting in _register_lines(confs[name]):
            trunk = next((one for one in ours if one.channel == channel and _user(setting) == one.username), None)
            if trunk is not None and not below(setting.file, current):
                yield _by_itself(f"{setting.file}:{setting.line}", trunk, "the line")
    pjsip = confs["pjsip.conf"]
    for section in pjsip.sections if pjsip is not None else ():
        yield from _pjsip_section(section, ours, current)


def generated_by_gui(facts: Facts, disk: Disk) -> Iterator[Problem]:
    """Our trunks in the files that FreePBX's GUI generates."""
    for channel, name in GUI_FILES.items():
        path = f"{facts.asterisk.config_dir}/{name}"
        data = disk.read(path)
        text = data.decode("utf-8", "replace") if data is not None else ""
        for trunk in facts.trunks:
            if trunk.channel == channel and trunk.values.register_ and _mentions(text, str(trunk.username)):
                yield Problem(
                    Weight.MENDS,
                    f"{path}, which FreePBX generates, registers trunk {trunk.name} ({trunk.username}) in either role. "
                    "Clear its registration in the GUI (Connectivity, Trunks; Registration: None), and apply.",
                )


def _switched_on(conf: Conf | None, keys: Mapping[str, str], *, needs: str) -> Iterator[Problem]:
    for section in conf.sections if conf is not None else ():
        for key, driver in keys.items():
            if (section.last(key) or "no").lower() in TRUE and section.last(needs):
                yield Problem(
                    Weight.MENDS,
                    f"{section.file}:{section.line}: [{section.name}] makes {driver} register ({key}), in either role. "
                    f"Make it a trunk in pair.toml, and set {key} = no.",
                )


def _callbacks(conf: Conf | None) -> Iterator[Problem]:
    for section in conf.sections if conf is not None else ():
        if section.last("callbackextension") and not section.template:
            yield Problem(
                Weight.MENDS,
                f"{section.file}:{section.line}: [{section.name}] makes chan_sip register (callbackextension), in "
                "either role. Make it a trunk in pair.toml, and remove the line.",
            )


def _register_lines(conf: Conf | None) -> Iterator[Setting]:
    # Outside of [general] a register line is no registration.
    for section in conf.named("general") if conf is not None else ():
        yield from (setting for setting in section.settings if setting.name.lower() == "register")


def _user(setting: Setting) -> str:
    user = setting.value.partition("@")[0].partition(":")[0].rpartition("/")[2].rpartition("?")[2]
    return user.strip('"')


def _pjsip_section(section: Section, ours: list[TrunkFacts], current: Path) -> Iterator[Problem]:
    kind = (section.last("type") or "").lower()
    where = f"{section.file}:{section.line}"
    if kind == "registration" and not section.template and not below(section.file, current):
        user = (section.last("client_uri") or "").partition(":")[2].partition("@")[0]
        trunk = next((one for one in ours if one.channel == "pjsip" and user and user == one.username), None)
        if trunk is not None:
            yield _by_itself(where, trunk, "the section")
    swapped = Path(section.file).name.startswith(("pjsip-registrations", "pjsip.registration"))
    if kind == "auth" and swapped and below(section.file, current):
        yield Problem(
            Weight.MENDS,
            f"{where}: the auth object [{section.name}] is swapped with the registrations; without it a standby cannot "
            "end its bindings at the carrier. Keep it in pjsip-auth.conf.",
        )


def _by_itself(where: str, trunk: TrunkFacts, what: str) -> Problem:
    return Problem(
        Weight.MENDS,
        f"{where} registers {trunk.username} itself, in either role; it is trunk {trunk.name}. Remove {what}.",
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
