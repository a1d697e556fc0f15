"""Registrations of our trunks that this machine makes by itself, by way of a file that no role swaps.

A standby that has one registers; the lists after an activation show it, and --check finds it before. Sources:
channels/chan_sip.c (build_peer: callbackextension; users.conf: registersip), channels/chan_iax2.c (registeriax),
res/res_pjsip_config_wizard.c (sends_registrations), and what FreePBX's GUI generates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from localized.asterisk.configuration import Conf, ConfigSection, ConfigSetting, Disk, read_text
from localized.asterisk.include_paths import below
from localized.asterisk.sorcery import ObjectSource, objects
from localized.checks.problem import ConfigProblem, Severity
from localized.render.facts import TemplateFacts, TrunkFacts
from localized.render.register_line import read_sip_line

GUI_FILES: Final = {
    "sip": "sip_registrations.conf",
    "iax2": "iax_registrations.conf",
    "pjsip": "pjsip.registration.conf",
}
"""Where FreePBX's GUI writes its own registrations."""

TRUE: Final = frozenset({"yes", "true", "y", "t", "1", "on"})
"""What ast_true takes for yes (main/utils.c)."""


def foreign_registrations(
    facts: TemplateFacts, confs: Mapping[str, Conf | None], current: Path, from_where: Iterable[ObjectSource]
) -> Iterator[ConfigProblem]:
    """Every one, with the line to remove.

    Args:
        facts: of this machine.
        confs: Asterisk's configuration files by name, None where one is missing.
        current: the directory whose files are ours.
        from_where: what PJSIP takes its registrations from.
    """
    ours = [trunk for trunk in facts.trunks if trunk.values.register_]
    yield from _switched_on(confs["users.conf"], {"registersip": "chan_sip", "registeriax": "chan_iax2"}, needs="host")
    yield from _switched_on(confs["pjsip_wizard.conf"], {"sends_registrations": "PJSIP"}, needs="remote_hosts")
    yield from _callbacks(confs["sip.conf"])
    for name, channel in (("sip.conf", "sip"), ("iax.conf", "iax2")):
        for setting in _register_lines(confs[name]):
            trunk = _registered_by(setting.value, channel, ours)
            if trunk is not None and not below(setting.file, current):
                yield _by_itself(f"{setting.file}:{setting.line}", trunk, "the line")
    for source in from_where:
        for section in objects(confs.get(source.file), source):
            trunk = _registered_at(section.last("client_uri") or "", ours)
            if trunk is not None and not below(section.file, current):
                yield _by_itself(f"{section.file}:{section.line}", trunk, "the section")
    pjsip = confs["pjsip.conf"]
    for section in pjsip.sections if pjsip is not None else ():
        yield from _swapped_auth(section, current)


def generated_by_gui(facts: TemplateFacts, disk: Disk) -> Iterator[ConfigProblem]:
    """Our trunks in the files that FreePBX's GUI generates."""
    for channel, name in GUI_FILES.items():
        path = f"{facts.asterisk.config_dir}/{name}"
        conf = read_text(disk.read(path) or b"", file=path, section="general")
        ours = [trunk for trunk in facts.trunks if trunk.values.register_]
        settings = [setting for section in conf.sections for setting in section.settings]
        for setting in settings:
            match setting.name.lower():
                case "register":
                    trunk = _registered_by(setting.value, channel, ours)
                case "client_uri" if channel == "pjsip":
                    trunk = _registered_at(setting.value, ours)
                case _:
                    continue
            if trunk is not None:
                yield ConfigProblem(
                    Severity.ERROR,
                    f"{path}, which FreePBX generates, registers trunk {trunk.name} ({trunk.username}) in either role. "
                    "Clear its registration in the GUI (Connectivity, Trunks; Registration: None), and apply.",
                )


def _switched_on(conf: Conf | None, keys: Mapping[str, str], *, needs: str) -> Iterator[ConfigProblem]:
    for section in conf.sections if conf is not None else ():
        for key, driver in keys.items():
            if not section.template and (section.last(key) or "no").lower() in TRUE and section.last(needs):
                yield ConfigProblem(
                    Severity.ERROR,
                    f"{section.file}:{section.line}: [{section.name}] makes {driver} register ({key}), in either role. "
                    f"Make it a trunk in pair.toml, and set {key} = no.",
                )


def _callbacks(conf: Conf | None) -> Iterator[ConfigProblem]:
    for section in conf.sections if conf is not None else ():
        if section.last("callbackextension") and not section.template:
            yield ConfigProblem(
                Severity.ERROR,
                f"{section.file}:{section.line}: [{section.name}] makes chan_sip register (callbackextension), in "
                "either role. Make it a trunk in pair.toml, and remove the line.",
            )


def _register_lines(conf: Conf | None) -> Iterator[ConfigSetting]:
    # Outside of the first [general] a register line is no registration.
    first = next(conf.named("general"), None) if conf is not None else None
    for setting in first.settings if first is not None else ():
        if setting.name.lower() == "register":
            yield setting


def _registered_by(line: str, channel: str, ours: Iterable[TrunkFacts]) -> TrunkFacts | None:
    """The trunk whose account a `register =>` line registers, read as its driver reads it."""
    if channel == "iax2":
        user = line.partition("@")[0].partition(":")[0]
    else:
        read = read_sip_line(line)
        user = read.username if read is not None else ""
    same = (one for one in ours if one.channel == channel and user and user == one.username)
    return next(same, None)


def _registered_at(client_uri: str, ours: Iterable[TrunkFacts]) -> TrunkFacts | None:
    """The trunk whose account a PJSIP registration of this client_uri registers."""
    user, at, _ = client_uri.strip("<> ").partition(":")[2].rpartition("@")
    named = unquote(user) if at else ""
    return next((one for one in ours if one.channel == "pjsip" and named and named == one.username), None)


def _swapped_auth(section: ConfigSection, current: Path) -> Iterator[ConfigProblem]:
    kind = (section.last("type") or "").lower()
    swapped = Path(section.file).name.startswith(("pjsip-registrations", "pjsip.registration"))
    if kind == "auth" and swapped and below(section.file, current):
        yield ConfigProblem(
            Severity.ERROR,
            f"{section.file}:{section.line}: the auth object [{section.name}] is swapped with the registrations; "
            "without it a standby cannot end its bindings at the carrier. Keep it in pjsip-auth.conf.",
        )


def _by_itself(where: str, trunk: TrunkFacts, what: str) -> ConfigProblem:
    return ConfigProblem(
        Severity.ERROR,
        f"{where} registers {trunk.username} itself, in either role; it is trunk {trunk.name}. Remove {what}.",
    )
