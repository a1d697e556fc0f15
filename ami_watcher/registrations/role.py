"""Which role this machine has, and whether it may register: read from what localized/ and failover leave behind.

This room reads both and writes neither. The role decides what is expected; the right decides what is done about it.
"""

from __future__ import annotations

from ami_watcher.registrations.expected import Role
from host.clock import boot_id, boottime
from host.file_reading import MISREAD, read_json
from host.places import Places
from pair.public_role import sane


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
    refused = "it holds no right to be primary"
    for name in ("right.json", "peer-is-down.json"):
        try:
            found = read_json(places.run / name)
            deadline = found["deadline_boottime"]
            if found["machine"] != machine:
                refused = f"the right in {name} is another machine's"
            elif found["boot_id"] != boot_id():
                refused = f"the right in {name} is of an earlier boot"
            elif deadline is not None and not boottime() < float(deadline):
                refused = f"the right in {name} has ended"
            else:
                return None
        except FileNotFoundError:
            continue
        except (OSError, *MISREAD):
            refused = f"{name} does not hold a right"
    return refused


def right_epoch(places: Places, machine: str) -> int:
    """Epoch of the promotion by which `machine` is primary; 0 where it is not, or is so by a person's word."""
    if may_not_register(places, machine) is not None:
        return 0
    try:
        found = read_json(places.run / "right.json")
        return sane(int(found["epoch"])) if found["machine"] == machine and found["boot_id"] == boot_id() else 0
    except (OSError, *MISREAD):
        return 0
