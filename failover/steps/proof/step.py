"""The last step: the promotion seen from outside, and a call placed through the carrier where pair.toml has one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from failover.context import Context
from failover.errors import Incomplete
from failover.journal.entry import Json
from failover.probes import phones
from failover.probes.parallel import Probe, run_probes
from failover.steps.proof import call as proof_call
from failover.steps.proof import external_checks
from failover.steps.proof.external_checks import ProofResult
from host.errors import HotstandbyError

LOOK_S: Final = 10.0
"""Seconds for everything but the call."""
NO_CALL: Final = "no call was placed: pair.toml has no [proof]"


class ProofIncomplete(Incomplete):
    """The machine serves, and something seen from outside is not as it should be; it is named."""


class ProofStep:
    """Looks at everything at once; changes nothing, and has nothing to take back."""

    name = "proof"

    def __init__(self, context: Context, *, place_call: bool = True) -> None:
        """
        Args:
            place_call: False for a rehearsal: the carrier would call the other machine.
        """
        self._context = context
        self._place_call = place_call
        self._found: tuple[ProofResult, ...] | None = None

    @property
    def deadline_s(self) -> float:
        """Seconds for all of it."""
        proof = self._context.pair.proof
        return LOOK_S + (proof_call.longest_s(proof) if proof is not None else 0.0)

    def check(self) -> bool:
        """Never: what was proven a minute ago may have changed."""
        return False

    def saved(self) -> Mapping[str, Json]:
        """Nothing changes."""
        return {}

    def apply(self) -> None:
        """Looks, all at once."""
        self._found = self.check_all()

    def verify(self) -> str:
        """What was seen.

        Raises:
            ProofIncomplete
        """
        found = self._found if self._found is not None else self.check_all()
        words = "; ".join(one.words for one in found)
        if self._context.pair.proof is None:
            words += f"; {NO_CALL}"
        if any(one.good is False for one in found):
            wrong = ", ".join(dict.fromkeys(one.what for one in found if one.good is False))
            raise ProofIncomplete(f"{words}. See to: {wrong}; then look again with: failover drill --rehearse")
        return words

    def undo(self, saved: Mapping[str, Json]) -> str:  # noqa: ARG002 - the step contract
        """Nothing to take back."""
        return "it only looked"

    def check_all(self) -> tuple[ProofResult, ...]:
        """Everything that is configured, beside each other, as long as the slowest takes."""
        context = self._context
        looks = [_probe("registrations", lambda: [external_checks.check_registrations(context)])]
        if (dns := context.pair.dns) is not None and dns.resolvers:
            looks.append(_probe("resolver", lambda: external_checks.check_resolvers(dns, context.machine)))
        if context.pair.domino.sites:
            looks.append(_probe("domino", lambda: external_checks.check_domino(context)))
        looks.append(_probe("phones", lambda: [_phones(context)]))
        if context.pair.proof is not None and self._place_call:
            looks.append(_probe("call", lambda: [self._call()]))
        return tuple(one for many in run_probes(looks, total_s=self.deadline_s) for one in many)

    def _call(self) -> ProofResult:
        proof = self._context.pair.proof
        assert proof is not None
        started = time.monotonic()
        try:
            called = proof_call.place_call(self._context.pair, self._context.machine, proof)
        except HotstandbyError as error:
            words = f"no call was placed: {error}"
            return ProofResult("call", False, words, time.monotonic() - started)
        return ProofResult("call", not called.problem, called.words, called.seconds)


def _phones(context: Context) -> ProofResult:
    """Who is not back: told, and nothing that a promotion could do about it."""
    started = time.monotonic()
    try:
        words = phones.compare_phones(context).sentence
    except phones.NoInventory:
        words = f"phones: {context.peer} has left no list here; see: {phones.SHOW}"
    except HotstandbyError as error:
        words = f"phones: not known: {error}"
    return ProofResult("phones", None, words, time.monotonic() - started)


def _probe(what: str, ask: Callable[[], list[ProofResult]]) -> Probe[list[ProofResult]]:
    return Probe(ask, lambda seconds: [ProofResult(what, False, f"{what}: no answer in {seconds:.0f} s", seconds)])
