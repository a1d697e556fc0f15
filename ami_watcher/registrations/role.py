"""Which role this machine has, and whether it may register: read from what localized/ and failover leave behind.

This room reads both and writes neither. The role decides what is expected; the right decides what is done about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ami_watcher.registrations.expected import Role
from host.clock import boot_id, boottime
from host.places import Places
from pair.right import Invalid, current_right


def role_now(places: Places) -> Role | None:
    """The role that this machine's active generation was rendered for; None while there is none.

    `localized/current` points to generations/N-ROLE-DIGEST.
    """
    try:
        name = (places.localized / "current").readlink().name
    except OSError:
        return None
    parts = name.split("-")
    if "primary" in parts:
        return "primary"
    return "standby" if "standby" in parts else None


def may_not_register(places: Places, machine: str) -> str | None:
    """Why `machine` may not register on a shared account now; None when it may.

    It may while it is primary and holds the right: failover's run/right.json, or a person's word in
    run/peer-is-down.json, of this boot and before its deadline on CLOCK_BOOTTIME. What cannot be read is no right.
    """
    if role_now(places) != "primary":
        return "it is not primary"
    found = current_right(places, machine, boot=boot_id(), now=boottime())
    if found.right is not None:
        return None
    if not found.invalid:
        return "it holds no right to be primary"
    last = found.invalid[-1]
    return _WORDS[last.reason].format(last.path.name)


_WORDS: Final[Mapping[Invalid, str]] = {
    Invalid.UNREADABLE: "{} does not hold a right",
    Invalid.OTHER_MACHINE: "the right in {} is another machine's",
    Invalid.EARLIER_BOOT: "the right in {} is of an earlier boot",
    Invalid.ENDED: "the right in {} has ended",
}


def right_epoch(places: Places, machine: str) -> int:
    """Epoch of the promotion by which `machine` is primary; 0 where it is not, or is so by a person's word."""
    if role_now(places) != "primary":
        return 0
    return current_right(places, machine, boot=boot_id(), now=boottime()).epoch
