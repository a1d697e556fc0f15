"""A Follower for one machine of a pair: what it needs, taken from pair.toml and the machine's places."""

from __future__ import annotations

from ami_watcher.ami.connection import AmiEndpoint
from ami_watcher.ami.shared_login import login_requested
from ami_watcher.follow.follow import Follower
from ami_watcher.follow.settings import FollowSettings
from ami_watcher.registrations.expected import expected_registrations
from ami_watcher.registrations.role import may_not_register, role_now
from host.places import Places
from pair import Pair, read_secret


def settings_of(pair: Pair) -> FollowSettings:
    """How the pair wants its Asterisks followed."""
    own = pair.watcher
    return FollowSettings(
        poll_s=own.poll_s,
        answer_s=own.answer_s,
        stale_s=own.stale_s,
        refresh_grace_s=own.refresh_grace_s,
        contacts_poll_s=own.contacts_poll_s,
        kick=own.kick,
        kick_after_s=own.kick_after_s,
    )


def where_of(pair: Pair, machine: str) -> AmiEndpoint:
    """Where the AMI of `machine` is."""
    return pair.asterisk_on(machine).ami


def follower(places: Places, pair: Pair, machine: str) -> Follower:
    """A follower of this machine's Asterisk, in the role that it has now. The secret is read anew at each login."""
    role = role_now(places)
    secret_file = pair.asterisk_on(machine).ami.secret_file
    return Follower(
        machine,
        where_of(pair, machine),
        lambda: read_secret(places, secret_file),
        expected_registrations(pair, machine, role),
        role=role,
        settings=settings_of(pair),
        may_register=lambda: may_not_register(places, machine),
        give_way=lambda: login_requested(places),
    )
