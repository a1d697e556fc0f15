"""What every Asterisk does, the fake one and the real ones: the same questions, asked of all.

A test module makes a class of `AsteriskContract` and gives it a fixture `subject`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import pytest

from ami_watcher.registrations.lists import RegistrationLists
from lab.carrier.accounts import CARRIER, account
from lab.computer.roots import Release
from lab.until import until
from localized.asterisk.log import log_files
from localized.asterisk.refusals import LogFindings, read_log

TRUNKS: Final = ("acme", "metro", "nova")
FILES: Final = {"sip": "sip-registrations.conf", "iax2": "iax-registrations.conf", "pjsip": "pjsip-registrations.conf"}
RELOADS: Final = {"sip": "sip reload", "iax2": "iax2 reload", "pjsip": "module reload res_pjsip.so"}
MAIN: Final = {"sip": "sip.conf", "iax2": "iax.conf", "pjsip": "pjsip.conf"}


class Subject(Protocol):
    """An Asterisk, and the directories that it reads.

    Attributes:
        release: its version.
        etc: its configuration directory.
        includes: directory of the files that its own include.
        log: the file that it logs to.
    """

    release: Release
    etc: Path
    includes: Path
    log: Path

    def rx(self, command: str) -> str:
        """What `asterisk -rx` prints."""

    def lists(self) -> RegistrationLists:
        """Its registrations, by AMI."""

    def refuse(self, accounts: Sequence[str]) -> None:
        """From now on the carrier refuses these, and no others."""


class AsteriskContract:
    """The questions."""

    @pytest.fixture(autouse=True)
    def begins_empty(self, subject: Subject) -> None:
        subject.refuse(())
        write(subject, ())
        until(lambda: not subject.lists().registrations, "nothing is listed")

    def test_it_says_when_it_has_booted(self, subject: Subject) -> None:
        assert "fully booted" in subject.rx("core waitfullybooted").lower()

    def test_it_says_what_it_does_not_know(self, subject: Subject) -> None:
        assert "No such command" in subject.rx("hotstandby nonsense")
        assert "No such module" in subject.rx("module reload hotstandby_nonsense.so")

    def test_it_lists_the_drivers_that_it_has(self, subject: Subject) -> None:
        lists = subject.lists()
        assert lists.modules == ({"sip", "iax2", "pjsip"} if subject.release == "16" else {"iax2", "pjsip"})
        assert lists.version.startswith(subject.release)

    def test_it_names_its_log(self, subject: Subject) -> None:
        assert any(subject.log.name in path or path in str(subject.log) for path in log_files(subject.rx(SHOW_LOGS)))

    def test_a_reload_registers_what_is_included_and_ends_what_is_not(self, subject: Subject) -> None:
        write(subject, TRUNKS)
        until(lambda: states(subject) == dict.fromkeys(TRUNKS, "Registered"), "everything is registered")
        write(subject, ("metro",))
        until(lambda: states(subject) == {"metro": "Registered"}, "only metro is")

    def test_a_reload_of_one_module_reads_nothing_of_another(self, subject: Subject) -> None:
        write(subject, TRUNKS, reload=["iax2"])
        until(lambda: set(states(subject)) == {"metro"}, "only what was reloaded is listed")
        reload(subject, drivers(subject))
        until(lambda: set(states(subject)) == set(TRUNKS), "everything is listed")

    def test_a_file_of_the_same_size_and_time_is_not_read(self, subject: Subject) -> None:
        write(subject, TRUNKS)
        until(lambda: set(states(subject)) == set(TRUNKS), "everything is listed")
        file = subject.includes / FILES["iax2"]
        before, stat = file.read_text(), file.stat()
        file.write_text(before.replace("register", ";egister"))
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        reload(subject, ["iax2"])
        assert "metro" in states(subject)
        os.utime(file)
        reload(subject, ["iax2"])
        until(lambda: "metro" not in states(subject), "a new time is read")

    @pytest.mark.parametrize("channel", ["sip", "iax2", "pjsip"])
    def test_of_a_file_that_it_refuses_it_keeps_what_it_had_and_tells_its_log(
        self, subject: Subject, channel: str
    ) -> None:
        if channel not in drivers(subject):
            pytest.skip(f"Asterisk {subject.release} has no chan_sip")
        write(subject, TRUNKS)
        until(lambda: set(states(subject)) == set(TRUNKS), "everything is listed")
        main = subject.etc / MAIN[channel]
        good, begin = main.read_text(), subject.log.stat().st_size
        try:
            main.write_text(f"{good}\n[broken\n")
            write(subject, ())
            until(lambda: set(states(subject)) == of_channel(subject, channel), "only that channel is left")
            assert any(one.keeps(channel) for one in said(subject, begin).refusals)
        finally:
            main.write_text(good)
        touch(subject)
        reload(subject, [channel])
        until(lambda: not states(subject), "what was mended is read")

    def test_an_include_that_is_broken_ends_there_and_says_nothing_to_whoever_reloads(self, subject: Subject) -> None:
        file = subject.includes / FILES["iax2"]
        write(subject, ("metro",))
        until(lambda: set(states(subject)) == {"metro"}, "it is listed")
        lines = file.read_text()
        file.write_text(f"; longer\n[broken\n{lines}")
        assert "fail" not in reload(subject, ["iax2"])
        until(lambda: not states(subject), "what stands below is not read")

    def test_of_two_registrations_of_one_name_it_takes_neither(self, subject: Subject) -> None:
        write(subject, ("nova",))
        until(lambda: set(states(subject)) == {"nova"}, "it is listed")
        file, begin = subject.includes / FILES["pjsip"], subject.log.stat().st_size
        file.write_text(pjsip("acme") + file.read_text() * 2)
        reload(subject, ["pjsip"])
        until(lambda: any(one.keeps("pjsip") for one in said(subject, begin).refusals), "it says so")
        assert set(states(subject)) == {"nova"}

    def test_the_dialplan_says_the_role_that_was_read(self, subject: Subject) -> None:
        for role in ("primary", "standby"):
            (subject.includes / "role.conf").write_text(f"; {time.monotonic_ns()}\nHOTSTANDBY_ROLE={role}\n")
            subject.rx("module reload pbx_config.so")
            until(lambda: f"HOTSTANDBY_ROLE={role}" in subject.rx("dialplan show globals"), "it is read")  # noqa: B023

    def test_what_the_carrier_refuses_is_listed_as_rejected_and_pjsip_logs_the_answer(self, subject: Subject) -> None:
        """chan_sip's word depends on the carrier's answer: to a 401 that repeats itself it goes on for ever."""
        begin = subject.log.stat().st_size
        subject.refuse(("metro", "nova"))
        write(subject, ("metro", "nova"), wrong=True)
        until(lambda: states(subject) == {"metro": "Rejected", "nova": "Rejected"}, "both are refused")
        (nova,) = (one for one in subject.lists().registrations if one.name == "nova")
        until(lambda: said(subject, begin).answer_to(nova) is not None, "the answer is in the log")
        subject.refuse(())
        write(subject, TRUNKS)
        until(lambda: states(subject) == dict.fromkeys(TRUNKS, "Registered"), "everything is registered")


SHOW_LOGS: Final = "logger show channels"


def drivers(subject: Subject) -> list[str]:
    return ["sip", "iax2", "pjsip"] if subject.release == "16" else ["iax2", "pjsip"]


def channel_of(subject: Subject, trunk: str) -> str:
    return account(trunk).channel(subject.release)


def of_channel(subject: Subject, channel: str) -> set[str]:
    return {trunk for trunk in TRUNKS if channel_of(subject, trunk) == channel}


def states(subject: Subject) -> dict[str, str]:
    """What is listed, by trunk."""
    trunks = {account(trunk).username: trunk for trunk in TRUNKS}
    return {trunks[one.username]: one.state for one in subject.lists().registrations}


def said(subject: Subject, begin: int) -> LogFindings:
    """What the log says from a byte on."""
    return read_log(subject.log.read_bytes()[begin:].decode())


def reload(subject: Subject, channels: Sequence[str]) -> str:
    return "".join(subject.rx(RELOADS[channel]) for channel in channels)


def touch(subject: Subject) -> None:
    for file in FILES.values():
        os.utime(subject.includes / file)


def pjsip(trunk: str) -> str:
    entry = account(trunk)
    return (
        f"[{trunk}]\ntype = registration\ntransport = transport-udp\nserver_uri = sip:{CARRIER}\n"
        f"client_uri = sip:{entry.username}@{CARRIER}\ncontact_user = {entry.username}\noutbound_auth = {trunk}\n"
        "expiration = 60\nretry_interval = 5\nforbidden_retry_interval = 5\nfatal_retry_interval = 5\n"
        "max_retries = 1000000\nauth_rejection_permanent = no\nmax_random_initial_delay = 1\n"
    )


def write(subject: Subject, trunks: Sequence[str], *, wrong: bool = False, reload: Sequence[str] | None = None) -> None:
    """Makes it register these, and nothing else, as rendered includes would."""
    texts = dict.fromkeys((*FILES.values(), "pjsip-auth.conf"), f"; {time.monotonic_ns()}\n")
    for trunk in trunks:
        entry, channel = account(trunk), channel_of(subject, trunk)
        secret = "wrong" if wrong else entry.secret
        if channel == "pjsip":
            texts[FILES[channel]] += pjsip(trunk)
            texts["pjsip-auth.conf"] += (
                f"[{trunk}]\ntype = auth\nauth_type = userpass\nusername = {entry.username}\npassword = {secret}\n"
            )
        else:
            end = "" if channel == "iax2" else f"/{entry.username}~60"
            texts[FILES[channel]] += f"register => {entry.username}:{secret}@{CARRIER}{end}\n"
    for name, text in texts.items():
        (subject.includes / name).write_text(text)
    for channel in drivers(subject) if reload is None else reload:
        subject.rx(RELOADS[channel])
