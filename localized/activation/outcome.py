"""What an activation came to, as values: what decides the exit code, and what sentences are made from. Rules only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from host.exits import Exit
from localized.activation.comparison import Comparison, TrunkComparison
from localized.asterisk.refusals import ConfigRefusal, LogFindings
from localized.checks.problem import ConfigProblem
from localized.role import Role
from pair import Pair


class Verification(Enum):
    """What Asterisk's lists said of an activation."""

    VERIFIED = Exit.DONE
    DEGRADED = Exit.DEGRADED
    """Something that is not required is missing."""
    FAILED = Exit.FAILED
    """A required trunk is missing, or something registers that must not."""


class Missing(Enum):
    """Why a trunk that should register is not registered."""

    MODULE_NOT_LOADED = "module not loaded"
    REFUSED_BY_ASTERISK = "refused by Asterisk"
    NOT_READ = "not read by Asterisk"
    NO_ANSWER = "no answer"
    NO_CREDENTIALS = "credentials refused by Asterisk"
    SECOND_REFUSED = "second registration refused"
    GIVEN_UP = "refused, and chan_sip does not try again"
    REFUSED = "refused by the carrier"


@dataclass(frozen=True, slots=True)
class MissingTrunk:
    """One trunk that should register, and is not registered.

    Attributes:
        code: the carrier's answer, "403" or IAX2's cause; empty where the log tells of none.
        refusals: what Asterisk refused of it.
        peer: the other machine, which may hold it.
        expiry_s: seconds that the other machine's binding lives.
    """

    trunk: str
    channel: str
    why: Missing
    host: str
    required: bool
    peer: str
    expiry_s: int
    code: str = ""
    refusals: tuple[ConfigRefusal, ...] = ()

    @property
    def by_carrier(self) -> bool:
        """It is the carrier's answer that is missing, and nothing that Asterisk would have to read."""
        return not self.refusals and self.why not in {Missing.MODULE_NOT_LOADED, Missing.NOT_READ}


@dataclass(slots=True)
class ActivationOutcome:
    """What an activation came to.

    Attributes:
        role, machine, generation: what is active now.
        problems: found beforehand, and no reason to stop.
        comparison: expected registrations and found ones; None where Asterisk was not asked.
        missing: trunks that should be registered and are not.
        kept: what Asterisk refused, so that it registers what it must not.
        refused_besides: what Asterisk refused although every list is as it should be.
        refused_matters: some of that concerns a trunk: it shows when Asterisk starts anew.
        dialplan_role: what the dialplan says where that is another role than the active one.
        not_reloaded: why modules that register nothing were not reloaded.
        hosts: what a person should know of the hosts file; hosts_failed: our block is not in it.
        restart: Asterisk reads a file that has changed at its start alone.
        reloaded: modules that were asked to reload.
        asked_again: trunks that their carrier had refused before, and was asked for again.
        seconds: from the swap to the end.
    """

    role: Role
    machine: str
    generation: str
    problems: tuple[ConfigProblem, ...] = ()
    comparison: Comparison | None = None
    missing: tuple[MissingTrunk, ...] = ()
    kept: tuple[ConfigRefusal, ...] = ()
    refused_besides: tuple[ConfigRefusal, ...] = ()
    refused_matters: bool = False
    dialplan_role: str | None = None
    not_reloaded: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    hosts_failed: bool = False
    restart: bool = False
    reloaded: list[str] = field(default_factory=list)
    asked_again: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def unwanted(self) -> tuple[TrunkComparison, ...]:
        """Listed, and must not be."""
        return self.comparison.unwanted if self.comparison is not None else ()

    @property
    def foreign_on_standby(self) -> bool:
        """A standby registers something that pair.toml does not know."""
        return self.role is Role.STANDBY and self.comparison is not None and bool(self.comparison.foreign)

    @property
    def verification(self) -> Verification:
        """What it comes to; where Asterisk was not asked, what else there is to say."""
        if self.unwanted or any(one.required for one in self.missing):
            return Verification.FAILED
        degraded = (
            self.missing
            or self.hosts_failed
            or self.dialplan_role is not None
            or self.refused_matters
            or (self.foreign_on_standby and not self.unwanted)
            or (self.comparison is not None and self.not_reloaded)
        )
        return Verification.DEGRADED if degraded else Verification.VERIFIED

    @property
    def exit(self) -> Exit:
        """Exit code."""
        return self.verification.value


def judge(outcome: ActivationOutcome, found: Comparison, pair: Pair, log: LogFindings = LogFindings()) -> None:  # noqa: B008 - frozen
    """Adds to `outcome` what Asterisk's lists and its log showed.

    Args:
        found: the lists, compared.
        log: what stood in the log meanwhile.
    """
    outcome.comparison = found
    if found.unwanted:
        outcome.kept = tuple(one for row in found.unwanted for one in log.keeping(row.wanted.channel))
        return
    outcome.missing = tuple(_missing(pair, outcome.machine, row, log) for row in found.missing)
    already = {one for missing in outcome.missing for one in missing.refusals}
    outcome.refused_besides = tuple(one for one in log.refusals if one not in already)
    outcome.refused_matters = any(
        one.whole or one.concerns(row.wanted.trunk, row.wanted.channel)
        for one in outcome.refused_besides
        for row in found.rows
    )


def _missing(pair: Pair, machine: str, row: TrunkComparison, log: LogFindings) -> MissingTrunk:
    trunk, channel = row.wanted.trunk, row.wanted.channel
    key = pair.trunk_on(trunk, machine)
    refusals = log.about(trunk, channel)
    answers = [answer for one in row.found if (answer := log.answer_to(one)) is not None]
    code = answers[-1].code if answers else ""
    silent = not code and (bool(answers) or not row.refused)
    return MissingTrunk(
        trunk=trunk,
        channel=channel,
        why=_why(row, key.second_registration == "refused", refusals, code, silent=silent),
        host=key.host,
        required=row.wanted.required,
        peer=pair.peer_of(machine),
        expiry_s=key.expiry_s,
        code=code,
        refusals=refusals,
    )


_WRONG_ACCOUNT = frozenset({"400", "401", "404", "407", "414", "493", "No authority found"})
"""Answers that say nothing of another machine's binding."""


def _why(
    row: TrunkComparison, second_is_refused: bool, refusals: tuple[ConfigRefusal, ...], code: str, *, silent: bool
) -> Missing:
    if not row.found:
        if not row.loaded:
            return Missing.MODULE_NOT_LOADED
        return Missing.REFUSED_BY_ASTERISK if refusals else Missing.NOT_READ
    if silent:
        return Missing.NO_ANSWER
    if refusals:
        return Missing.NO_CREDENTIALS
    if second_is_refused and code not in _WRONG_ACCOUNT:
        return Missing.SECOND_REFUSED
    return Missing.GIVEN_UP if row.wanted.channel == "sip" and row.refused else Missing.REFUSED
