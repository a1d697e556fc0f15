"""The step that makes this machine's Asterisk primary: the right, the localized files, the registrations."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from failover.context import HOSTS, Context
from failover.demotion import demotion, drain
from failover.errors import Incomplete, NotProven
from failover.journal.entry import Json
from failover.state import fenced, local_state, proven_secrets, right
from host.errors import HotstandbyError
from host.exits import Exit
from localized.activation.activate import activate, activate_unseen
from localized.activation.outcome import ActivationOutcome
from localized.activation.probe import AsteriskProbe, probe_asterisk
from localized.activation.sentences import notes
from localized.errors import AsteriskUnreachable
from localized.generations.store import GenerationStore
from localized.prepare import PreparedGeneration, prepare_or_last
from localized.role import Role
from pair import SecretUnusable

TAKE_S: Final = 30
"""Seconds for which the gate here is held open: a demotion over there takes one or two."""


class TrunkMissing(Incomplete):
    """This machine serves, and some trunk does not register yet; Asterisk and ami-watcher go on trying."""


class RequiredTrunkMissing(TrunkMissing):
    """One that pair.toml calls required: everything else is done, and the promotion is not."""

    exit_code = Exit.HALFWAY


class NoTrunk(TrunkMissing):
    """None of the trunks registers: whatever else was done, nobody who calls one of their numbers is answered."""

    exit_code = Exit.HALFWAY
    headline = "NOBODY ANSWERS: no trunk is registered"


class RegistrationsUnseen(Incomplete):
    """This machine was made primary, and nothing can be seen of what its Asterisk registers."""

    exit_code = Exit.HALFWAY
    headline = "WHETHER ANYBODY ANSWERS IS NOT KNOWN"


class LocalizeStep:
    """As `render-localized --role primary --activate`, with the right handed over."""

    name = "localize"

    def __init__(
        self,
        context: Context,
        epoch: int,
        reason: str,
        *,
        prepared: PreparedGeneration | None = None,
        hosts: Path | None = HOSTS,
        begun_before: bool = False,
        alone: bool = False,
    ) -> None:
        """
        Args:
            epoch: of this promotion.
            reason: why, for the right.
            prepared: the primary generation as the plan has just prepared it.
            hosts: the file that takes the hosts block.
            begun_before: an earlier command of this run came as far as this step.
            alone: the peer cannot serve in this machine's place.
        """
        self._context = context
        self._alone = alone
        self.serves_nothing = not begun_before
        """Whether this machine provably registers nothing because of this run: not begun, or taken back."""
        self._epoch = epoch
        self._reason = reason
        self._prepared = prepared
        self._hosts = hosts
        self._outcome: ActivationOutcome | None = None
        self._unseen = ""
        self._probe: AsteriskProbe | None = None

    @property
    def deadline_s(self) -> float:
        """Seconds for apply and verify together."""
        return self._context.asterisk.reload_deadline_s + self._context.asterisk.register_deadline_s + 10.0

    def make_ready(self) -> None:
        """What can be done while the peer still serves, so that callers do not wait for it: the files rendered,
        Asterisk looked at, and the gate opened for calls by address, which the peer refuses from its demotion on.

        Both gates are open for a moment: each machine answers until the other one does, and what is held open ends by
        itself. What cannot be done here is done, or refused, when the step's turn comes.
        """
        context = self._context
        if any(not trunk.register_ for trunk in context.pair.trunks.values()):
            with contextlib.suppress(HotstandbyError):
                drain.override_gate(context, drain.GateOverride.TAKE, TAKE_S)
        with contextlib.suppress(HotstandbyError, OSError):
            if self._prepared is None:
                self._prepared = prepare_or_last(context.places, context.pair, context.machine, Role.PRIMARY)
            self._probe = probe_asterisk(context.places, context.pair, context.machine, Role.PRIMARY)

    def check(self) -> bool:
        """Never: an activation that is already so changes nothing, and what it looks at is the proof."""
        return False

    def saved(self) -> Mapping[str, Json]:
        """What is active now: an undo that finds it untouched has nothing to undo; else going back means standby."""
        places = self._context.places
        active = GenerationStore(places).pointed_to("current")
        before = fenced.read_fence(places)
        return {
            "generation": active.name if active is not None else "",
            "link": local_state.mark_of_swap(places),
            "fenced": before.reason if before is not None else "",
        }

    def apply(self) -> None:
        """Grants the right, lets Asterisk start, swaps, reloads, and waits for the registrations.

        Raises:
            NotActivatable, NotWritable, AsteriskUnreachable, ActivationIncomplete
        """
        context = self._context
        self.serves_nothing = False
        prepared = self._prepared or prepare_or_last(context.places, context.pair, context.machine, Role.PRIMARY)
        right.grant(context.places, context.machine, self._epoch, self._reason)
        fenced.lift(context.places)
        try:
            self._outcome = activate(
                context.places, context.pair, context.machine, prepared, hosts_file=self._hosts, probe=self._probe
            )
        except (AsteriskUnreachable, SecretUnusable) as unseen:
            if not self._alone:
                raise
            # Nobody else can serve: Asterisk is told what to do all the same, where it takes commands, and what comes
            # of it is said to be unseen.
            self._outcome = activate_unseen(
                context.places, context.pair, context.machine, prepared, hosts_file=self._hosts
            )
            self._unseen = str(unseen)
        if self._probe is not None:
            # As primary the gate is open anyway; soon standby again, it shall be shut.
            with contextlib.suppress(HotstandbyError):
                drain.override_gate(context, drain.GateOverride.TAKE, 0)

    def verify(self) -> str:
        """What Asterisk's own lists showed.

        Raises:
            NotProven: it registers what it must not.
            TrunkMissing, RequiredTrunkMissing, NoTrunk, RegistrationsUnseen
        """
        outcome = self._outcome
        holds = right.held_right(self._context.places, self._context.machine)
        if not holds.held:
            # The peer had this machine demote itself between the grant and the swap.
            raise NotProven(f"{self._context.machine} no longer holds the right: {holds.words}")
        if outcome is not None and self._unseen:
            told = f"generation {outcome.generation} is active, {', '.join(outcome.reloaded)} reloaded by asterisk -rx"
            raise RegistrationsUnseen(f"{told}; its registrations cannot be seen: {self._unseen}")
        if outcome is None or outcome.comparison is None:
            raise NotProven("Asterisk's registrations were not read. Type the same command again.")
        found = outcome.comparison
        if found.unwanted:
            raise NotProven("; ".join(notes(outcome)))
        good = [row for row in found.rows if row.as_expected]
        registered = [row.wanted.trunk for row in good if row.wanted.here]
        proven_secrets.note(self._context.places, self._context.pair, self._context.machine, registered, time.time())
        words = f"{len(good)} of {len(found.rows)} trunks as expected, generation {outcome.generation}"
        if found.missing:
            told = "; ".join([words, *notes(outcome)])
            if not any(row.wanted.here for row in good):
                raise NoTrunk(told)
            if any(row.wanted.required for row in found.missing):
                raise RequiredTrunkMissing(told)
            raise TrunkMissing(told)
        return "; ".join([words, *notes(outcome)])

    def undo(self, saved: Mapping[str, Json]) -> str:
        """The right is taken back. Where the files of a primary were made active: standby, proven, or Asterisk killed.

        Raises:
            NotProven
            OSError: the right may still be there.
        """
        places = self._context.places
        if saved.get("link") == local_state.mark_of_swap(places) and local_state.role_of(places)[0] == "standby":
            # Asterisk was told nothing: whatever it does, a call included, is what it did before.
            if reason := str(saved.get("fenced", "")):
                fenced.fence(places, reason)
            right.revoke(places)
            self.serves_nothing = True
            return f"{self._context.machine} had not been swapped to primary; the right was taken back, nothing else"
        done = demotion.demote(self._context, "a promotion was taken back")
        if not done.proven:
            raise NotProven(done.words)
        self.serves_nothing = True
        return done.words
