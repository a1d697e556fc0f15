"""`render-localized` as tests type it on a machine of the world."""

from __future__ import annotations

from typing import Final

from host.command import Finished
from lab import Machine

LOCALIZED: Final = "/etc/hotstandby/localized"
SHARED: Final = ("acme", "metro", "nova")
TRUNKS: Final = (*SHARED, "strict", "own", "better")
AGAIN: Final = ("--role", "primary", "--activate")
"""As an admin types it again: the word that was given holds until standby."""
WORD: Final = ("--peer-is-down", "a test says so")


def render(machine: Machine, *arguments: str, deadline_s: float = 60.0) -> Finished:
    return machine.run(["render-localized", *arguments], deadline_s=deadline_s)


def primary(machine: Machine, *more: str) -> Finished:
    return render(machine, "--role", "primary", "--activate", *WORD, *more)


def standby(machine: Machine, *more: str) -> Finished:
    return render(machine, "--role", "standby", "--activate", *more)


def words(done: Finished) -> str:
    return " ".join((done.stdout + done.stderr).split())


def active(machine: Machine) -> str:
    return str(machine.path(f"{LOCALIZED}/current").readlink())


def everything_listed(machine: Machine) -> str:
    shown = machine.asterisk("iax2 show registry") + machine.asterisk("pjsip show registrations")
    return shown + (machine.asterisk("sip show registry") if machine.root and machine.root.release == "16" else "")
