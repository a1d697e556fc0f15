"""Gives and takes this machine's right to be primary: the file that `localized` and the watcher believe.

The right lies in the run directory, which a reboot empties, and names the boot it was given in. So a machine that
starts holds none until the boot guard has proof.
"""

from __future__ import annotations

from dataclasses import dataclass

from failover.errors import Refused
from failover.state import claim
from host import clock
from host.places import Places
from pair.public_role import LARGEST
from pair.right import Invalid, Right, current_right, right_file, withdraw_word, write_right


class GaveWay(Refused):
    """The peer's promotion came first, or goes before; this one is not carried on."""


@dataclass(frozen=True, slots=True)
class HeldRight:
    """What this machine holds now.

    Attributes:
        held: whether it is valid at this moment.
        epoch: of the promotion that gave it; 0 for a person's word, and where there is none.
        words: the reason, or why there is none, in words that stand alone.
    """

    held: bool
    epoch: int
    words: str


def grant(places: Places, machine: str, epoch: int, reason: str, *, deadline_boottime: float | None = None) -> Right:
    """Gives this machine the right.

    A machine that gave way to the peer's promotion does not take the right of that one or an earlier one; it is looked
    at again afterwards, for whoever gives way notes that first and takes the right then.

    Args:
        epoch: number of the promotion, higher than any before it on either machine.
        reason: why, for people.
        deadline_boottime: seconds on CLOCK_BOOTTIME at which it ends by itself (a lease); None: when it is taken.

    Raises:
        GaveWay
        Refused: the number is one that nobody may ever be given: none would be higher.
        OSError
    """
    if not 0 <= epoch < LARGEST:
        raise Refused(
            f"No right is given for promotion {epoch}: none could follow it. Look where that number comes from with: "
            "failover plan promote"
        )
    _still_ours(places, machine, epoch)
    right = Right(machine, epoch, clock.boot_id(), deadline_boottime, reason)
    write_right(right_file(places), right)
    try:
        _still_ours(places, machine, epoch)
    except GaveWay:
        revoke(places)
        raise
    return right


def _still_ours(places: Places, machine: str, epoch: int) -> None:
    promised = claim.promised_epoch(places)
    if promised >= epoch:
        raise GaveWay(
            f"{machine} gave way to its peer's promotion {promised} meanwhile, and does not become primary with "
            f"{epoch}. See who is with: failover status"
        )


def revoke(places: Places) -> None:
    """Takes the right, and a person's word with it.

    Raises:
        OSError: it may still be there.
    """
    right_file(places).unlink(missing_ok=True)
    withdraw_word(places)


def held_right(places: Places, machine: str) -> HeldRight:
    """What `machine`, being this one, holds now."""
    found = current_right(places, machine, boot=clock.boot_id(), now=clock.boottime())
    if found.right is not None:
        return HeldRight(True, found.epoch, found.right.reason)
    words = "; ".join(
        one.words if one.reason is Invalid.UNREADABLE else f"the right in {one.path} does not hold: {one.words}"
        for one in found.invalid
    )
    return HeldRight(False, 0, words or "no right was given to this machine since it started")
