"""Whether a machine that serves was overtaken: the other was promoted later, and it does not know. Rules, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from failover.peer.messages import PeerStatus
from pair.public_role import PublicRole, RoleAnswer, later

COMMAND: Final = "failover demote"
"""The one command, on the machine that was overtaken."""


@dataclass(frozen=True, slots=True)
class OvertakenMachine:
    """A machine that serves although the other one was promoted later.

    Attributes:
        machine: which.
        epoch: of its own right.
        by: the other one.
        later: epoch of that one's promotion.
        witnesses: who tells so.
    """

    machine: str
    epoch: int
    by: str
    later: int
    witnesses: tuple[str, ...]

    @property
    def words(self) -> str:
        """One sentence, without what to type."""
        who = ", ".join(self.witnesses)
        verb = "says" if len(self.witnesses) == 1 else "say"
        return (
            f"{self.machine} was overtaken: {who} {verb} that {self.by} was promoted with {self.later}, later than its "
            f"{self.epoch}; both take calls and registrations from each other"
        )


def overtaken(
    machine: str, *, serves: bool, epoch: int, known: int, said: Sequence[RoleAnswer], other: PeerStatus | None
) -> OvertakenMachine | None:
    """What others tell of a later promotion.

    One name server is enough to say so, where its number is one to believe: it costs a look, and takes nothing away.

    Args:
        machine: the one that is judged.
        serves: it is primary by its own files; one that is standby cannot be overtaken.
        epoch: of its right; 0 for a person's word, for which what is known counts.
        known: the highest that its files tell.
        said: what the name servers say; its own as well, for it may be a secondary that has heard more.
        other: what the other machine says of itself; None where it could not be asked.
    """
    if not serves:
        return None
    own = epoch or known
    told = {f"name server {one.server}": one.role for one in said if one.role is not None}
    if other is not None and other.machine != machine and other.is_primary:
        told[f"{other.machine} itself"] = PublicRole(other.right_epoch or other.served, other.machine)
    found = later(machine, own, told)
    if found is None:
        return None
    role, witnesses = found
    return OvertakenMachine(machine, own, role.machine, role.epoch, witnesses)
