"""What this machine is by its own files: its role, its right, its fence, the epoch that it knows of.

`current` pointing to a primary generation proves nothing: a machine is primary while it holds the right as well and
is not fenced. Whatever is not known is no.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from failover.errors import FailoverError
from failover.journal import journal
from failover.journal.entry import RunOutcome
from failover.journal.run import load
from failover.state import claim, fenced, right
from host.places import Places
from localized.generations.store import GenerationStore
from localized.role import Role
from pair.public_role import sane

RoleName = Literal["primary", "standby", "unknown"]
RUNS: Final = 20
"""Newest journals that are read: a promotion that failed again and again must not hide the one that was completed."""
DnsRoleName = Literal["primary", "secondary", "unknown"]


@dataclass(frozen=True, slots=True)
class LocalState:
    """This machine, by its own files.

    Attributes:
        machine: its name.
        generation: name of the generation that `current` points to; empty where it points to none.
        role: what that generation was rendered for.
        right: what it holds.
        fenced: why its Asterisk must not start; empty where it may.
        epoch: the highest that its right, its journals, and what it gave way to tell; 0 where they tell none.
        open_run: the run that is not complete, such as "promote 12"; empty where there is none.
        claim: epoch of the promotion that runs here at this moment; 0 where none does.
        served: epoch of the last promotion that this machine was seen to complete; 0 where there is none.
        stood_down: epoch that a person's `failover demote` ended, where nothing was promoted here since; 0 for none.
    """

    machine: str
    generation: str
    role: RoleName
    right: right.HeldRight
    fenced: str
    epoch: int
    open_run: str
    claim: int = 0
    served: int = 0
    stood_down: int = 0

    @property
    def is_primary(self) -> bool:
        """Whether it is primary now."""
        return self.role == "primary" and self.right.held and not self.fenced

    @property
    def why(self) -> str:
        """Why it is, or is not, in one sentence."""
        if self.is_primary:
            return f"{self.machine} is primary: {self.right.words}"
        if self.role == "standby":
            return f"{self.machine} is standby: it serves generation {self.generation}"
        if self.role == "unknown":
            return f"{self.machine} has no role: nothing was activated with render-localized yet"
        if self.fenced:
            return f"{self.machine} is fenced: {self.fenced}"
        return f"{self.machine} is not primary, though generation {self.generation} is active: {self.right.words}"


def role_of(places: Places) -> tuple[RoleName, str]:
    """The role of the active generation, and that generation's name."""
    found = GenerationStore(places).pointed_to("current")
    if found is None or found.role.is_dns:
        return "unknown", ""
    return ("primary" if found.role is Role.PRIMARY else "standby"), found.name


def swapped_at(places: Places) -> float:
    """Unix seconds at which `current` was last swapped; 0 where there is none. For people."""
    try:
        return (places.localized / "current").lstat().st_mtime
    except OSError:
        return 0.0


def mark_of_swap(places: Places) -> str:
    """What tells one swap of `current` from every other: each makes a link of its own. Empty where there is none."""
    try:
        link = (places.localized / "current").lstat()
    except OSError:
        return ""
    return f"{link.st_ino} {link.st_mtime_ns}"


def dns_role_of(places: Places) -> DnsRoleName:
    """The role in DNS of the generation that `current-dns` points to; another fact than the role of the PBX."""
    found = GenerationStore(places).pointed_to("current-dns")
    if found is None or not found.role.is_dns:
        return "unknown"
    return "primary" if found.role is Role.DNS_PRIMARY else "secondary"


def read_state(places: Places, machine: str) -> LocalState:
    """Reads this machine's files; never raises for what it finds in them."""
    role, generation = role_of(places)
    holds = right.held_right(places, machine)
    fence = fenced.read_fence(places)
    told = _runs(places)
    claimed = claim.claimed_epoch(places)
    return LocalState(
        machine=machine,
        generation=generation,
        role=role,
        right=holds,
        fenced=fence.reason if fence else "",
        epoch=max(told.epoch, holds.epoch, claim.promised_epoch(places), claimed),
        claim=claimed,
        served=told.served,
        stood_down=told.stood_down,
        open_run=told.open_run,
    )


@dataclass(frozen=True, slots=True)
class _Runs:
    """What the journals of the last few runs come to; see Standing."""

    epoch: int = 0
    served: int = 0
    stood_down: int = 0
    open_run: str = ""


def _runs(places: Places) -> _Runs:
    told = _Runs()
    try:
        files = journal.files(journal.directory(places))
    except OSError:
        return told
    for file in files[-RUNS:]:
        try:
            run = load(file)
        except FailoverError:
            told = replace(told, open_run=f"{file.command} {file.number}, damaged")
            continue
        if run is None:
            continue
        epoch = max(told.epoch, sane(run.epoch))
        told = replace(told, epoch=epoch, open_run="" if run.closed else f"{run.command} {run.number}")
        if run.command in {"promote", "switchover"} and run.outcome in {RunOutcome.DONE, RunOutcome.DEGRADED}:
            told = replace(told, served=sane(run.epoch), stood_down=0)
        elif run.command == "demote":
            told = replace(told, stood_down=epoch)
    return told
