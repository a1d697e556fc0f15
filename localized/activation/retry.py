"""What is asked for again while an activation waits for its registrations, and when. Rules only: no socket, no clock.

Three drivers, three ways. chan_sip gives up for ever after a refusal; a reload sends all its registrations anew and
drops none. chan_iax2 never gives up. PJSIP never gives up as we render it, and asking it costs something: it first
takes the binding back, and sends its REGISTER a second later only if that was answered by then. At a carrier that is
silent for longer the REGISTER is lost, and when the carrier answers the un-REGISTER at last nothing follows it
(res_pjsip_outbound_registration.c: unregister_task, handle_client_registration; pjsip_regc_send refuses a second
transaction). So PJSIP is left alone while it goes on by itself, and asked where it does not
(docs/understand/registrations.md).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ami_watcher.registrations.lists import RegistrationLists
from ami_watcher.registrations.state_words import RegistrationState
from localized.activation.comparison import Comparison, TrunkComparison, refused_before

ANSWER_S: Final = 2.0
"""How long a registration that is sent again may take to be answered: while it does, the list shows the old answer."""
REFUSED_S: Final = 2.0
"""A registration that was refused is asked for again after this, then after twice as long, and so on."""
REREAD_AT_MOST_S: Final = 5.0
"""What Asterisk has not read is read again no later than this; it costs the carrier nothing."""
UNREGISTERED_S: Final = 3.0
"""PJSIP sends its first REGISTER a second after a reload, as we render it. Whatever is Unregistered for longer has sent
it and waits for its answer, so that asking again changes nothing; or it has given up."""
UNREGISTERED_EVERY_S: Final = 5.0
UNANSWERED_S: Final = 35.0
"""An un-REGISTER that nobody answers fails after 32 s (timer F), and PJSIP registers again by itself after that."""


@dataclass(frozen=True, slots=True)
class Due:
    """What to do now.

    Attributes:
        reread: channels whose files Asterisk has to read again.
        again: registrations to ask for.
    """

    reread: tuple[str, ...] = ()
    again: tuple[TrunkComparison, ...] = ()


@dataclass(slots=True)
class _Pause:
    last: float
    pause: float


class RetrySchedule:
    """Remembers what was asked for in one run.

    Args:
        before: Asterisk's lists of before the run; None where they were not read.
        reloaded: channels that were reloaded in the run, so that what they list is an answer to that.
        started: seconds, on the clock of `due`.
    """

    def __init__(self, before: RegistrationLists | None, reloaded: Collection[str], started: float) -> None:
        self._reloaded = frozenset(reloaded)
        self._started = started
        self._first = True
        self._refused: dict[str, _Pause] = {}
        self._reread = _Pause(started, REFUSED_S)
        listed = before.registrations if before is not None else ()
        self._unregistered = {
            one.name: started
            for one in listed
            if one.channel == "pjsip" and one.meaning is RegistrationState.UNREGISTERED
        }
        self._asked: dict[str, float] = {}
        self.asked: tuple[str, ...] = ()
        """Trunks that were refused before the run, and were asked for at its beginning."""

    def due(self, found: Comparison, now: float) -> Due:
        """What to do now; it counts as done at `now`."""
        again = [] if not self._first else list(refused_before(found, self._reloaded))
        if self._first:
            self._first = False
            self.asked = tuple(row.wanted.trunk for row in again)
        refused = [row for row in found.missing if row.refused and not row.goes_on]
        for row in refused:
            trunk = row.wanted.trunk
            if row in again:
                self._refused[trunk] = _Pause(now, self._pause(row))
                continue
            last = self._refused.setdefault(trunk, _Pause(now, self._pause(row)))
            if now - last.last >= last.pause:
                # Where the carrier waits for a binding to end, every second of a longer pause is one without calls.
                pause = last.pause if row.wanted.held_elsewhere_s else 2 * last.pause
                self._refused[trunk] = _Pause(now, pause)
                again.append(row)
        again += self._given_up(found, now)
        for row in again:
            if row.wanted.channel == "pjsip":
                self._asked.setdefault(row.wanted.trunk, now)
        return Due(self._unread(found, now), tuple(again))

    def until(self, found: Comparison, deadline: float) -> float:
        """How long to go on looking: what was asked for and may end Unregistered is not left so."""
        waiting = [
            self._asked[row.wanted.trunk] + UNANSWERED_S
            for row in found.missing
            if row.unregistered and row.wanted.trunk in self._asked
        ]
        return max([deadline, *waiting])

    def answered_by(self, now: float) -> float:
        """When the lists show the answer to what was asked for at `now`."""
        return now + ANSWER_S if self.asked else now

    @staticmethod
    def _pause(row: TrunkComparison) -> float:
        return row.wanted.refused_again_s if row.wanted.held_elsewhere_s else REFUSED_S

    def _unread(self, found: Comparison, now: float) -> tuple[str, ...]:
        if now - self._reread.last < self._reread.pause:
            return ()
        self._reread = _Pause(now, min(2 * self._reread.pause, REREAD_AT_MOST_S))
        return tuple(sorted({row.wanted.channel for row in (*found.not_loaded, *found.stateless) if row.loaded}))

    def _given_up(self, found: Comparison, now: float) -> list[TrunkComparison]:
        """What PJSIP holds Unregistered since before the run, or since it was asked for in it."""
        given_up = []
        for row in found.missing:
            trunk = row.wanted.trunk
            if not row.unregistered or row in found.stateless:
                self._unregistered.pop(trunk, None)
                continue
            if trunk in self._asked:
                self._unregistered.setdefault(trunk, now)
            since = self._unregistered.get(trunk)
            if since is not None and now - since >= UNREGISTERED_S:
                self._unregistered[trunk] = now + UNREGISTERED_EVERY_S - UNREGISTERED_S
                given_up.append(row)
        return given_up
