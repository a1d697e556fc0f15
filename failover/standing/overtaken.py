"""Whether a machine that serves was overtaken: the other was promoted later, and it does not know. Rules, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from failover.dns.public_role import Said, told
from failover.peer.words import Status
from pair.public_role import believed

COMMAND: Final = "failover demote"
"""The one command, on the machine that was overtaken."""


@dataclass(frozen=True, slots=True)
class Overtaken:
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
    machine: str, *, serves: bool, epoch: int, known: int, said: Sequence[Said], other: Status | None
) -> Overtaken | None:
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
    counts = believed(told(said), max(own, known))
    found = [
        (one.role.epoch, one.role.machine, f"name server {one.server}")
        for one in said
        if one.role is not None
        and one.server not in counts.left_out
        and one.role.machine != machine
        and one.role.epoch > own
    ]
    if other is not None and other.machine != machine and other.is_primary:
        held = other.right_epoch or other.served
        if held > own and other.machine not in believed({**told(said), other.machine: held}, max(own, known)).left_out:
            found.append((held, other.machine, f"{other.machine} itself"))
    if not found:
        return None
    later, by, _ = max(found)
    witnesses = tuple(who for epoch_, machine_, who in found if (epoch_, machine_) == (later, by))
    return Overtaken(machine, own, by, later, witnesses)
