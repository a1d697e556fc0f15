"""The first step of a promotion: the peer provably serves no more.

The peer is asked to demote itself. Where it cannot be asked, the admin's own program cuts it off ([fence] in
pair.toml). Where there is none, a person's word counts, and is journalled; a half-dead peer is the usual case, so
that it answers ping contradicts nobody, and that it is seen registered does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from failover.errors import FailoverError, Refused
from failover.here import Here
from failover.journal.entry import Json
from failover.journal.recovery import Fence as Proof
from failover.peer.remote import DEMOTE_S, Asked, Peer
from failover.plan.refusal import in_short
from failover.probes.found import Answer, Found
from failover.standing import claim
from host import clock
from host.command import CommandLate, CommandMissing, run
from host.printable import printable

FRESH_S: Final = 10.0
"""Seconds for which silence counts: asking a dead machine takes 2 s, and callers wait meanwhile."""
AGAIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Judged:
    """What is proven of the peer.

    Attributes:
        proof: of its being down or demoted.
        words: the evidence, one sentence.
    """

    proof: Proof
    words: str


@dataclass(frozen=True, slots=True)
class CutOff:
    """What the admin's `verify` said.

    Attributes:
        proven: it ended with 0.
        words: for people.
    """

    proven: bool
    words: str


def judge(asked: Asked, cut_off: CutOff | None, word: str) -> Judged:
    """What the evidence amounts to.

    Args:
        asked: the peer's status, or how asking for it went.
        cut_off: the admin's program; None where there is none.
        word: a person's, that the peer is down; empty without one.
    """
    status = asked.status
    if status is not None and status.claim:
        return Judged(Proof.DISPROVEN, f"{status.machine} is being promoted itself, with epoch {status.claim}")
    if status is not None and status.registered:
        return Judged(Proof.DISPROVEN, f"{status.machine} holds {', '.join(status.registered)}")
    if status is not None and status.serves:
        return Judged(Proof.DISPROVEN, f"{status.machine} is primary and its Asterisk answers")
    if status is not None and status.proven_standby:
        return Judged(Proof.PROVEN, f"{status.why}; {status.asterisk.words}")
    if cut_off is not None and cut_off.proven:
        return Judged(Proof.PROVEN, cut_off.words)
    if word:
        return Judged(Proof.PROVEN, f"a person's word: {printable(word)} ({asked.found.words})")
    return Judged(Proof.UNKNOWN, asked.found.words if cut_off is None else f"{asked.found.words}; {cut_off.words}")


def prove(here: Here, *, word: str = "") -> Judged:
    """What is proven of the peer at this moment; changes nothing. About 2 s when it is dead."""
    return judge(Peer(here).look(), verified(here, 0), word)


def verified(here: Here, epoch: int) -> CutOff | None:
    """Runs the admin's `verify`; None where pair.toml has no [fence]."""
    section = here.pair.fence
    if section is None:
        return None
    try:
        done = run(section.verify, deadline_s=section.verify_deadline_s, env=_environment(here, epoch))
    except (CommandLate, CommandMissing) as error:
        return CutOff(False, f"fence verify: {error}")
    said = printable((done.stdout.strip() or done.stderr.strip()).rpartition("\n")[2], 120)
    words = f"fence verify '{section.verify[0]}' ended with {done.returncode}{f': {said}' if said else ''}"
    return CutOff(done.returncode == 0, words)


class FenceStep:
    """`fence`, as a step."""

    name = "fence"
    deadline_s = DEMOTE_S + 30.0

    def __init__(
        self,
        here: Here,
        epoch: int,
        *,
        word: str = "",
        seen: Asked | None = None,
        more: tuple[Found, ...] = (),
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """
        Args:
            epoch: of this promotion.
            word: a person's, that the peer is down.
            seen: the peer as the plan's evidence has just found it.
            more: further evidence about it, for a refusal.
        """
        self._here = here
        self._epoch = epoch
        self._word = word
        self._peer = Peer(here)
        self._more = more
        self._now = now
        self._seen = seen
        self._seen_at = clock.boottime()
        self._failed = ""

    def check(self) -> bool:
        """Whether the peer provably serves nothing, without anybody's word.

        Before the first look, what this machine is after is noted for the peer, which may be at the same.

        Raises:
            Refused: it cannot be noted.
        """
        try:
            claim.claim(self._here.places, self._epoch)
        except OSError as error:
            where = error.filename or self._here.places.run
            raise Refused(f"REFUSED: {where} cannot be written ({error.strerror}). Run this as root.") from None
        return judge(self._look(), verified(self._here, self._epoch), "").proof is Proof.PROVEN

    def saved(self) -> Mapping[str, Json]:
        """Nothing of ours changes."""
        return {"peer": self._here.peer, "epoch": self._epoch, "word": self._word}

    def apply(self) -> None:
        """Asks the peer to demote; else runs the admin's program.

        Raises:
            Refused: neither is possible, and nobody gave their word.
        """
        if self._look().found.answer is Answer.YES:
            try:
                done = self._peer.demote(self._epoch)
                self._seen = None
                if done.proven:
                    return
                self._failed = f"{self._peer.name} tried to demote itself: {done.words}."
            except FailoverError as error:
                self._seen = None
                self._failed = f"{self._peer.name} did not demote itself: {error}."
        section = self._here.pair.fence
        if section is not None:
            self._cut_off(section.command, section.command_deadline_s)
            return
        if not self._word:
            raise self._refused()

    def verify(self) -> str:
        """The proof that the peer serves nothing.

        Raises:
            Refused: it is not proven, or the peer was seen to serve.
        """
        section = self._here.pair.fence
        until = time.monotonic() + (section.verify_deadline_s if section is not None else 0.0)
        while True:
            found = judge(self._look(), verified(self._here, self._epoch), self._word)
            if found.proof is Proof.PROVEN:
                return found.words
            if found.proof is Proof.DISPROVEN or time.monotonic() > until:
                raise self._refused(found.words)
            time.sleep(AGAIN_S)

    def undo(self, saved: Mapping[str, Json]) -> str:  # noqa: ARG002 - the step contract
        """A fenced peer is not woken: two machines that both think they should serve are worse than none."""
        return f"{self._here.peer} stays as it is; to give it the calls, type there: failover switchover"

    def _look(self) -> Asked:
        seen = self._seen
        fresh = clock.boottime() - self._seen_at < FRESH_S
        if seen is not None and fresh and not seen.found.answer.alive:
            return seen
        self._seen = self._peer.look()
        self._seen_at = clock.boottime()
        return self._seen

    def _cut_off(self, argv: tuple[str, ...], deadline_s: float) -> None:
        try:
            done = run(argv, deadline_s=deadline_s, env=_environment(self._here, self._epoch))
        except (CommandLate, CommandMissing) as error:
            self._failed += f" The fence command: {error}"
            return
        self._seen = None
        if done.returncode != 0:
            said = printable((done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2], 160)
            self._failed += f" The fence command '{argv[0]}' ended with {done.returncode}{f': {said}' if said else ''}."

    def _refused(self, found: str = "") -> Refused:
        """One line, for the journal; before anything began, the plan has shown the same at length."""
        looked = self._seen.found if self._seen is not None else None
        seen = [one for one in (*self._more, looked) if one is not None]
        unique = list({one.probe: one for one in seen}.values())
        why = " ".join(part for part in (self._failed.strip(), f"{found}." if found else "") if part)
        return Refused(in_short(self._here.pair, self._here.peer, unique, self._now(), why=why))


def _environment(here: Here, epoch: int) -> dict[str, str]:

    return {
        **os.environ,
        "HOTSTANDBY_MACHINE": here.machine,
        "HOTSTANDBY_PEER": here.peer,
        "HOTSTANDBY_PEER_ADDRESS": here.other.public_address,
        "HOTSTANDBY_EPOCH": str(epoch),
    }
