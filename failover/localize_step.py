"""The step that makes this machine's Asterisk primary: the right, the localized files, the registrations."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from failover.demotion import demotion
from failover.errors import LeftOpen, NotProven
from failover.here import HOSTS, Here
from failover.journal.entry import Json
from failover.standing import fenced, proven, right
from host.exits import Exit
from localized.activate import Outcome, activate
from localized.generations import Store
from localized.prepare import Prepared, prepare_or_last
from localized.role import Role


class TrunkMissing(LeftOpen):
    """This machine serves, and some trunk does not register yet; Asterisk and ami-watcher go on trying."""


class RequiredTrunkMissing(TrunkMissing):
    """One that pair.toml calls required: everything else is done, and the promotion is not."""

    exit_code = Exit.HALFWAY


class LocalizeStep:
    """As `render-localized --role primary --activate`, with the right handed over."""

    name = "localize"

    def __init__(
        self, here: Here, epoch: int, reason: str, *, prepared: Prepared | None = None, hosts: Path | None = HOSTS
    ) -> None:
        """
        Args:
            epoch: of this promotion.
            reason: why, for the right.
            prepared: the primary generation as the plan has just prepared it.
            hosts: the file that takes the hosts block.
        """
        self._here = here
        self._epoch = epoch
        self._reason = reason
        self._prepared = prepared
        self._hosts = hosts
        self._outcome: Outcome | None = None

    @property
    def deadline_s(self) -> float:
        """Seconds for apply and verify together."""
        return self._here.asterisk.reload_deadline_s + self._here.asterisk.register_deadline_s + 10.0

    def check(self) -> bool:
        """Never: an activation that is already so changes nothing, and what it looks at is the proof."""
        return False

    def saved(self) -> Mapping[str, Json]:
        """What is active now, for people; going back means standby, not this."""
        active = Store(self._here.places).pointed_to("current")
        return {"generation": active.name if active is not None else ""}

    def apply(self) -> None:
        """Grants the right, lets Asterisk start, swaps, reloads, and waits for the registrations.

        Raises:
            NotActivatable, NotWritable, AsteriskUnreachable, Halfway
        """
        here = self._here
        prepared = self._prepared or prepare_or_last(here.places, here.pair, here.machine, Role.PRIMARY)
        right.grant(here.places, here.machine, self._epoch, self._reason)
        fenced.lift(here.places)
        self._outcome = activate(here.places, here.pair, here.machine, prepared, hosts_file=self._hosts)

    def verify(self) -> str:
        """What Asterisk's own lists showed.

        Raises:
            NotProven: it registers what it must not.
            TrunkMissing, RequiredTrunkMissing
        """
        outcome = self._outcome
        holds = right.held(self._here.places, self._here.machine)
        if not holds.held:
            # The peer had this machine demote itself between the grant and the swap.
            raise NotProven(f"{self._here.machine} no longer holds the right: {holds.words}")
        if outcome is None or outcome.comparison is None:
            raise NotProven("Asterisk's registrations were not read. Type the same command again.")
        found = outcome.comparison
        if found.unwanted:
            raise NotProven("; ".join(outcome.notes))
        good = [row.wanted.trunk for row in found.rows if row.as_expected]
        registered = [row.wanted.trunk for row in found.rows if row.as_expected and row.wanted.here]
        proven.note(self._here.places, self._here.pair, self._here.machine, registered, time.time())
        words = f"{len(good)} of {len(found.rows)} trunks as expected, generation {outcome.generation}"
        if found.missing:
            told = "; ".join([words, *outcome.notes])
            if any(row.wanted.required for row in found.missing):
                raise RequiredTrunkMissing(told)
            raise TrunkMissing(told)
        return "; ".join([words, *outcome.notes])

    def undo(self, saved: Mapping[str, Json]) -> str:  # noqa: ARG002 - going back always means standby
        """Standby, proven, or Asterisk killed.

        Raises:
            NotProven
        """
        done = demotion.demote(self._here, "a promotion was taken back")
        if not done.proven:
            raise NotProven(done.words)
        return done.words
