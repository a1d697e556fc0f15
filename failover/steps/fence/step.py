"""The first step of a promotion: the peer provably serves no more.

The peer is asked to demote itself. Where it cannot be asked, the admin's own program cuts it off ([fence] in
pair.toml). Where there is none, a person's word counts, and is journalled; a half-dead peer is the usual case, so
that it answers ping contradicts nobody, and that it is seen registered does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from failover.context import Context
from failover.errors import FailoverError, Refused, StoppedHalfway
from failover.journal.entry import Json
from failover.journal.recovery import FenceProof
from failover.peer.messages import PeerRefused
from failover.peer.remote import DEMOTE_S, Peer, PeerEvidence, PeerSilent
from failover.probe_result import ProbeAnswer, ProbeResult
from failover.state import claim
from failover.steps.fence.decision import DemotionReply, FenceDecision, PeerState, decide_fence, peer_state
from failover.steps.fence.evidence import judge_peer
from failover.steps.fence.program import run_command, run_verify
from failover.steps.fence.refusal import refusal_in_short
from host import clock

FRESH_S: Final = 10.0
"""Seconds for which silence counts: asking a dead machine takes 2 s, and callers wait meanwhile."""
ANSWERED_S: Final = 2.0
"""Seconds for which it counts that the peer answered, and as primary: it is asked to demote itself then, and whether it
has is looked at afterwards. A question over ssh takes half a second, and nobody serves any better for a second one."""
AGAIN_S: Final = 0.5
SETTLED_S: Final = DEMOTE_S + 10.0
"""Seconds after a demotion was asked for: by then it has ended over there, or was never begun."""
START: Final = "systemctl start asterisk"
ONCE_MORE_S: Final = 15.0
"""Seconds of looking when an earlier command of the same run had asked."""


class FenceStep:
    """`fence`, as a step."""

    name = "fence"
    deadline_s = DEMOTE_S + 30.0

    def __init__(
        self,
        context: Context,
        epoch: int,
        *,
        word: str = "",
        seen: PeerEvidence | None = None,
        more: tuple[ProbeResult, ...] = (),
        asked_before: bool = False,
        handed_back: bool = False,
        able: Callable[[], Sequence[str]] = tuple,
        gives_back: Callable[[], bool] = lambda: False,
        command: str = "promote",
        make_ready: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """
        Args:
            epoch: of this promotion.
            word: a person's, that the peer is down.
            seen: the peer as the plan's evidence has just found it.
            more: further evidence about it, for a refusal.
            asked_before: an earlier command of this run may have asked the peer to demote itself.
            handed_back: the peer itself asks for this promotion, having taken its own back: it is looked at, and not
                asked to demote.
            able: why this machine could not serve, looked at anew; asked just before the peer loses anything, where
                what the plan has seen is no longer fresh.
            gives_back: whether this machine provably serves nothing, so that the peer may be asked to serve again.
            command: that was typed, for who shall type it again.
            make_ready: what to do just before the peer is asked, while it still serves.
        """
        self._context = context
        self._epoch = epoch
        self._word = word
        self._peer = Peer(context)
        self._more = more
        self._now = now
        self._seen = seen
        self._planned = seen
        self._seen_at = clock.boottime()
        self._failed = ""
        self._command = command
        self._handed_back = handed_back
        self._able = able
        self._gives_back = gives_back
        self._reply = DemotionReply.LOST if asked_before else DemotionReply.NOT_ASKED
        self._make_ready = make_ready
        self._proven_at: float | None = None
        self._shown = ""
        self.parting = ""
        """What is left to do at the peer: after `undo` who serves now; else what its demotion has ended."""
        self._until = time.monotonic() + (ONCE_MORE_S if asked_before else 0.0)

    def check(self) -> bool:
        """Whether the peer provably serves nothing, without anybody's word.

        Before the first look, what this machine is after is noted for the peer, which may be at the same.

        Raises:
            Refused: it cannot be noted.
        """
        try:
            claim.claim_epoch(self._context.places, self._epoch)
        except OSError as error:
            where = error.filename or self._context.places.run
            raise Refused(f"REFUSED: {where} cannot be written ({error.strerror}). Run this as root.") from None
        last = self._seen.status if self._seen is not None and self._seen_within(ANSWERED_S) else None
        if last is not None and last.serves and not last.claim:
            return False
        looked = self._probe_peer()
        found = judge_peer(looked, run_verify(self._context, self._epoch), "")
        if found.proof is not FenceProof.PROVEN and self._handed_back:
            found = judge_peer(looked, None, self._word)
        if found.proof is not FenceProof.PROVEN or self._keeps_zone(looked):
            return False
        self._reply, self._shown = DemotionReply.PROVEN, found.words
        return True

    def _keeps_zone(self, looked: PeerEvidence) -> bool:
        """Whether the peer, standby or not, is primary of the zone that this machine is about to change."""
        dns = self._context.pair.dns
        if dns is None or dns.primary is not None or self._handed_back:
            return False
        return looked.status is not None and looked.status.dns_role == "primary"

    def saved(self) -> Mapping[str, Json]:
        """Nothing of ours changes."""
        return {"peer": self._context.peer, "epoch": self._epoch, "word": self._word}

    def apply(self) -> None:
        """Asks the peer to demote; else runs the admin's program.

        Raises:
            Refused: neither is possible, and nobody gave their word.
        """
        section = self._context.pair.fence
        self._prove_able()
        if self._answers():
            self._until = time.monotonic() + SETTLED_S
            self._reply = self._ask()
            self._seen = None
            if self._reply is DemotionReply.PROVEN or (section is not None and self._stands_by()):
                return
        if section is not None:
            cut_off = run_command(self._context, self._epoch)
            if cut_off.ran:
                self._seen = None
            if cut_off.failure:
                self._failed += f" {cut_off.failure}"
            self._until = max(self._until, time.monotonic() + section.verify_deadline_s)
            return
        if not self._word and self._reply in (DemotionReply.NOT_ASKED, DemotionReply.REFUSED):
            raise self._refused()

    def _prove_able(self) -> None:
        """Before the peer loses anything: this machine can still do what it did when the plan was made.

        Raises:
            Refused: it cannot, and the peer serves, or may.
        """
        seen = self._seen if self._seen is not None and self._seen_within(ANSWERED_S) else None
        if seen is not None and seen is self._planned:
            return  # the plan has just looked, and refused
        last = self._probe_peer()
        serves = last.status is not None and last.status.serves
        at_risk = last.status is None and self._context.pair.fence is not None and last.found.answer.alive
        if not serves and (self._word or not at_risk):
            return
        if lacks := self._able():
            name = self._context.peer
            raise Refused(
                f"REFUSED: {self._context.machine} could not serve: {'; '.join(lacks)}. {name} was left as it is. Mend "
                f"that, then type again: failover {self._command}"
            )

    def _ask(self) -> DemotionReply:
        """Has the peer demote itself; what came of it."""
        self._make_ready()
        last = self._seen.status if self._seen is not None else None
        callers_wait = last is not None and last.serves and not self._handed_back
        try:
            done = self._peer.demote(self._epoch)
        except PeerRefused as error:
            self._failed = f"{self._peer.name} did not demote itself: {error}."
            return DemotionReply.REFUSED
        except PeerSilent as error:
            self._failed = f"{self._peer.name} was asked to demote itself, and whether it did is not known: {error}."
            # Where nobody listens nobody was asked.
            return DemotionReply.NOT_ASKED if error.answer is ProbeAnswer.REFUSED else DemotionReply.LOST
        except FailoverError as error:
            self._failed = f"{self._peer.name} was asked to demote itself, and whether it did is not known: {error}."
            return DemotionReply.LOST
        if done.killed:
            name = self._peer.name
            self.parting = f"{name}'s Asterisk had to be killed; to have a standby again, type there: {START}"
        if done.proven:
            self._shown = f"{self._peer.name} demoted itself: {done.words}"
            self._proven_at = clock.boottime() if callers_wait else None
            return DemotionReply.PROVEN
        self._failed = f"{self._peer.name} tried to demote itself: {done.words}."
        return DemotionReply.TRIED

    def _answers(self) -> bool:
        """Whether the peer can be asked: a fresh look tells, for nothing is proven by it."""
        last = self._seen if self._seen is not None and self._seen_within(ANSWERED_S) else self._probe_peer()
        return last.found.answer is ProbeAnswer.YES

    def _stands_by(self) -> bool:
        return judge_peer(self._probe_peer(), None, "").proof is FenceProof.PROVEN

    def verify(self) -> str:
        """The proof that the peer serves nothing (the table in failover/steps/fence/decision.py).

        Raises:
            Refused: it provably serves, or it is not proven down and was not asked: nothing changed.
            StoppedHalfway: it may have demoted itself, and cannot be seen to have.
        """
        if self._proven_at is not None and clock.boottime() - self._proven_at < ANSWERED_S:
            # Its own lists, read after its reload, and it takes no right of this promotion any more (claim.promise).
            # Asked once more it would say the same half a second later, and callers wait.
            return self._shown
        while True:
            looked = self._probe_peer()
            found = judge_peer(looked, run_verify(self._context, self._epoch), self._word)
            now = peer_state(looked.status, proven=found.proof is FenceProof.PROVEN)
            match decide_fence(self._reply, now, settled=time.monotonic() > self._until):
                case FenceDecision.GO_ON:
                    kept = ""
                    if self._keeps_zone(looked):
                        name = self._context.peer
                        kept = f"; {name}'s BIND has not given the zone up: {self._shown or self._failed.strip()}"
                    words = found.words if now is PeerState.STANDBY else f"{self._shown} (since then: {found.words})"
                    return words + kept
                case FenceDecision.REFUSE:
                    raise self._refused(found.words)
                case FenceDecision.STOP:
                    raise self._stopped(found.words)
                case FenceDecision.LOOK_AGAIN:
                    time.sleep(AGAIN_S)
                    if self._reply is not DemotionReply.NOT_ASKED:
                        # Silence counts for a while of a dead machine only; this one was alive.
                        self._seen = None

    def undo(self, saved: Mapping[str, Json]) -> str:  # noqa: ARG002 - the step contract
        """A peer that gave way for this promotion is asked to serve again, where this machine provably serves nothing.
        Where it cannot be, or does not, whoever gives it the calls back is told what to type there."""
        looked = self._peer.probe_status()
        name = self._context.peer
        if self._gives_back() and judge_peer(looked, None, "").proof is FenceProof.PROVEN:
            looked = self._served_again() or looked
        match peer_state(looked.status, proven=judge_peer(looked, None, "").proof is FenceProof.PROVEN):
            case PeerState.STANDBY:
                why = f" {self._failed.strip()}" if self._failed else ""
                self.parting = (
                    f"NOBODY SERVES: {name} is standby.{why} To give it the calls back, type there: failover promote"
                )
            case PeerState.PRIMARY:
                self.parting = f"{name} serves"
            case _:
                self.parting = (
                    f"Whether {name} serves is not known ({looked.found.words}). Look there with: failover status; if "
                    "it is standby, type there: failover promote"
                )
        return f"{name} stays as it is: {looked.found.words}"

    def _served_again(self) -> PeerEvidence | None:
        """Asks it to; what it is afterwards, None where it was not reached."""
        self._failed = ""
        try:
            claim.withdraw_claim(self._context.places)
            self._peer.serve(self._epoch)
        except PeerRefused as error:
            self._failed = f"It was asked to serve again: {error}."
        except FailoverError as error:
            self._failed = f"It was asked to serve again, and whether it does is not known: {error}."
        except OSError as error:
            self._failed = f"It was not asked to serve again: {error.strerror}."
            return None
        return self._peer.probe_status()

    def _probe_peer(self) -> PeerEvidence:
        seen = self._seen
        if seen is not None and self._seen_within(FRESH_S) and not seen.found.answer.alive:
            return seen
        self._seen = self._peer.probe_status()
        self._seen_at = clock.boottime()
        return self._seen

    def _seen_within(self, seconds: float) -> bool:
        return clock.boottime() - self._seen_at < seconds

    def _stopped(self, found: str) -> StoppedHalfway:
        name = self._context.peer
        return StoppedHalfway(
            f"{self._failed.strip() or f'{name} may have been asked to demote itself.'} Looked at since: {found}. "
            f"If {name} is standby, nobody serves. Look at both with: failover status. Type the same again here, "
            f"failover {self._command}: it goes on as soon as {name} is seen to be standby. To give up and have {name} "
            f"serve, type there: failover promote. If {name} is dead, type here: "
            'failover promote --peer-is-down "REASON"'
        )

    def _refused(self, found: str = "") -> Refused:
        """One line, for the journal; before anything began, the plan has shown the same at length."""
        looked = self._seen.found if self._seen is not None else None
        seen = [one for one in (*self._more, looked) if one is not None]
        unique = list({one.probe: one for one in seen}.values())
        why = " ".join(part for part in (self._failed.strip(), f"{found}." if found else "") if part)
        return Refused(refusal_in_short(self._context.pair, self._context.peer, unique, self._now(), why=why))
