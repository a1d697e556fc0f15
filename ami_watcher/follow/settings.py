"""How one Asterisk is followed: the durations."""

from __future__ import annotations

from dataclasses import dataclass

from ami_watcher.registrations.registry import Timing


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """How one Asterisk is followed. Durations in seconds; see pair.watcher.Watcher for what each is."""

    poll_s: float = 5.0
    answer_s: float = 3.0
    stale_s: float = 15.0
    refresh_grace_s: float = 30.0
    contacts_poll_s: float = 30.0
    kick: bool = True
    kick_after_s: float = 30.0
    retry_first_s: float = 0.25
    retry_most_s: float = 10.0
    refused_first_s: float = 15.0
    refused_most_s: float = 300.0

    @property
    def timing(self) -> Timing:
        """What the registry needs of it."""
        return Timing(poll_s=self.poll_s, stale_s=self.stale_s, refresh_grace_s=self.refresh_grace_s)
