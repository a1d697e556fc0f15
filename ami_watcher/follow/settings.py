"""How one Asterisk is followed: where its AMI is, and the durations, as pair.toml has them."""

from __future__ import annotations

from dataclasses import dataclass

from ami_watcher.ami.connection import AmiEndpoint
from ami_watcher.registrations.registry import Timing
from pair import Pair


@dataclass(frozen=True, slots=True)
class FollowSettings:
    """How one Asterisk is followed. Durations in seconds; see pair.sections.watcher for what each is."""

    poll_s: float = 5.0
    answer_s: float = 3.0
    stale_s: float = 15.0
    refresh_grace_s: float = 30.0
    contacts_poll_s: float = 30.0
    reregister: bool = True
    reregister_after_s: float = 30.0
    retry_first_s: float = 0.25
    retry_most_s: float = 10.0
    refused_first_s: float = 15.0
    refused_most_s: float = 300.0

    @property
    def timing(self) -> Timing:
        """What the registry needs of it."""
        return Timing(poll_s=self.poll_s, stale_s=self.stale_s, refresh_grace_s=self.refresh_grace_s)


def settings_of(pair: Pair) -> FollowSettings:
    """How the pair wants its Asterisks followed."""
    own = pair.watcher
    return FollowSettings(
        poll_s=own.poll_s,
        answer_s=own.answer_s,
        stale_s=own.stale_s,
        refresh_grace_s=own.refresh_grace_s,
        contacts_poll_s=own.contacts_poll_s,
        reregister=own.kick,
        reregister_after_s=own.kick_after_s,
    )


def endpoint_of(pair: Pair, machine: str) -> AmiEndpoint:
    """Where the AMI of `machine` is."""
    return pair.asterisk_on(machine).ami
